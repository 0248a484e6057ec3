"""One run that is ended at a moment of it, and what came of that, as JSON; run beside a cluster that lives on.

python -m tests.e2e.ended kill|stop CONTEXT FILE MOMENT     by SIGKILL, or by a signal that lets it undo; $KUBECONFIG
                                                            leads to the cluster, the shop is in the namespace `shop`
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.kills.interruption import stop
from tests.bench.kills.points import Moment
from tests.bench.kills.shop import Shop
from tests.bench.kills.trial import kill

if TYPE_CHECKING:
    from collections.abc import Callable

TRIALS: dict[str, Callable[..., Any]] = {"kill": kill, "stop": stop}


def main(trial: str, context: str, file: str, moment: str) -> None:
    """Print what the trial says, and its word on it."""
    with tempfile.TemporaryDirectory(prefix="gameday-ended-") as folder:
        shop = Shop(Path(os.environ["KUBECONFIG"]), context, Path(folder), dict(os.environ))
        result = TRIALS[trial](shop, Path(file), Moment(**json.loads(moment)))
    assert result is not None, f"the run was over before it came to {moment}"
    sys.stdout.write(json.dumps(asdict(result) | {"problem": result.problem, "said": str(result)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
