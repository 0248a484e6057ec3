"""Client programs that run beside the tests, each with an interpreter and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Reply", "Worker"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Reply:
    """What came of a call: a result, or what it raised."""

    result: Any = None
    raised: str = ""
    """The name of the exception's class; empty when there was none."""
    said: str = ""
    trace: str = ""


class Worker:
    """A running program; `call` calls one of its functions. Must be closed."""

    def __init__(self, python: Path, program: str, environment: Mapping[str, str]) -> None:
        # A file, not a pipe: nobody reads it while it runs.
        self._errors = Path(environment["TMPDIR"], f"{program}-{os.urandom(4).hex()}.err")
        argv = [str(python), "-I", str(_HERE / "serving.py"), str(_HERE / program)]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=dict(environment), text=True
            )

    def try_to(self, function: str, **arguments: Any) -> Reply:
        """Call a function of the program and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": function, "with": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the program ended, code {self._process.wait()}: {self._errors.read_text()[-3000:]}"
        return Reply(**json.loads(line))

    def call(self, function: str, **arguments: Any) -> Any:
        """The result of a call that must not raise."""
        reply = self.try_to(function, **arguments)
        assert not reply.raised, reply.trace
        return reply.result

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
