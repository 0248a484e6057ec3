"""Runs a client program as a worker: orders come as JSON lines, each is one call of one of its functions.

Started as `python -I serving.py PROGRAM`, with the interpreter of any environment: imports nothing but Python's own.
Orders are `{"call": FUNCTION, "with": {ARGUMENT: VALUE}}`; answers `{"result": VALUE}` or
`{"raised": CLASS, "said": TEXT, "trace": TEXT}`.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from typing import Any


def answer(program: dict[str, Any], line: str) -> dict[str, Any]:
    """What came of one order."""
    order = json.loads(line)
    try:
        return {"result": program[order["call"]](**order["with"])}
    except Exception as problem:  # noqa: BLE001 - whatever it was, the test must see it
        return {"raised": type(problem).__name__, "said": str(problem), "trace": traceback.format_exc()}


def main() -> None:
    """Serve until the orders end."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, os.path.dirname(sys.argv[1]))  # noqa: PTH120 - what a script has, but for -I
    program = runpy.run_path(sys.argv[1])
    for line in sys.stdin:
        answers.write(json.dumps(answer(program, line), default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
