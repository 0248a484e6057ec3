"""Kill runs at many points, on clusters that live on, and see that nothing stays behind.

    python -m tests.bench.kills [--points 200] [--shops 3] [--seed 1] [--context NAME] [--output docs/kills.md]

Each experiment runs once unharmed, to know its writes; then runs are killed at points drawn from these, on embedded
clusters, or on a real one that `--context` names. For a run that was over before it came to its point another point is
drawn. Fails (exit 1) when anything was left, or restored too late, or when of twice as many points as were asked for
too few were come to.
"""

from __future__ import annotations

import sys

from tests.bench.kills.command import command
from tests.bench.kills.report import page
from tests.bench.kills.trial import kill

if __name__ == "__main__":
    sys.exit(command("python -m tests.bench.kills", 200, kill, page))
