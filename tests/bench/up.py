"""How long a shop takes to be there from nothing, and what it takes of memory, within bounds.

    python -m tests.bench.up [--times 5] [--output docs/bench-up.md]

Runs `gameday up` as a user would, with a state folder of its own, so often; once with the large data set. Ready is what
the command says itself: every Deployment available. Those seconds of it in which this machine was not calm are said,
and not judged (tests/bench/calm.py), up to a limit. Memory is the proportional share (PSS) of the cluster's processes
and all that descend from them: what would be free without them. Exits with 1 beyond the bounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.arguments import at_least_one
from tests.bench.calm import MOST, Calm
from tests.e2e.processes import family

GAMEDAY = Path(sys.executable).parent / "gameday"
READY_S, LARGE_S, MEMORY_MB = 6.0, 30.0, 700


@dataclass(frozen=True)
class Seen:
    """One shop: seconds of the whole command, the calm ones of these, and megabytes when it was up."""

    seconds: float
    calm_s: float
    memory_mb: float


def bring_up(*options: str) -> Seen:
    """A shop from nothing, looked at, and taken down."""
    with tempfile.TemporaryDirectory(prefix="gameday-up-") as state:
        environment = {**os.environ, "GAMEDAY_STATE": state}
        try:
            with Calm() as calm:
                began = time.time()
                _command(environment, "up", *options)
                ended = time.time()
                stalled_s = calm.stalled_s(began, ended)
            said = _command(environment, "status")
            process = re.search(r"process (\d+)", said)
            assert process, said
            with family(int(process[1])) as processes:
                memory = sum(_pss_kb(one.pid) for one in processes) / 1024
        finally:
            subprocess.run([GAMEDAY, "down"], env=environment, capture_output=True, timeout=60, check=False)
    return Seen(ended - began, ended - began - stalled_s, memory)


def _command(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([GAMEDAY, *words], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"gameday {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended meanwhile
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> int:
    """Measure, print, write the page if asked to, and exit 1 beyond the bounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=at_least_one, default=5)
    parser.add_argument("--output", type=Path, help="write the page to this file")
    options = parser.parse_args()
    small = [bring_up() for _ in range(options.times)]
    large = bring_up("--data", "large")
    seconds, memory = [one.seconds for one in small], [one.memory_mb for one in small]
    calm_s = median(one.calm_s for one in small)
    times = f"ready after {median(seconds):.1f} s, at most {max(seconds):.1f}; calm ones of these {calm_s:.1f}"
    lines = [
        f"- small data, {options.times} times: {times}",
        f"- small data: {max(memory):.0f} MB in all, at most",
        f"- large data, once: ready after {large.seconds:.1f} s, calm ones {large.calm_s:.1f}",
        f"- large data: {large.memory_mb:.0f} MB in all",
    ]
    print("\n".join(lines))
    if options.output:
        head = f"`make bench-up`: Python {platform.python_version()}, {os.cpu_count()} processors."
        bounds = (
            f"Bounds, beyond which it fails: {READY_S:g} calm seconds for the median, with large data {LARGE_S:g}, and "
            f"{MEMORY_MB} MB; no more than {MOST} times as many seconds in all. Seconds are those of the whole command "
            "`gameday up`; those for which this machine stood still are not calm."
        )
        options.output.write_text("\n".join(["# A shop from nothing", "", head, "", *lines, "", bounds]) + "\n")
    late = max(calm_s, median(seconds) / MOST) > READY_S or max(large.calm_s, large.seconds / MOST) > LARGE_S
    return int(late or max(*memory, large.memory_mb) > MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
