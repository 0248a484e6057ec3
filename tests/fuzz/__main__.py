"""Random and mutated requests to an embedded cluster: no 500, no dead daemon, no traceback, no hung connection.

python -m tests.fuzz [--seed N] [--requests 20000]
"""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.bench.arguments import at_least_one
from tests.fuzz.session import fuzz


def main() -> int:
    """Fuzz, and exit 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--requests", type=at_least_one, default=20000)
    options = parser.parse_args()
    print(f"fuzz: {options.requests} requests, seed {options.seed}", flush=True)
    outcome = fuzz(options.seed, options.requests)
    for finding in outcome.findings:
        print(f"\n--- found with seed {outcome.seed}\n{finding}")
    statuses = ", ".join(f"{status or 'none'}: {n}" for status, n in sorted(outcome.statuses.items(), key=str))
    print(f"answers: {statuses}")
    print(
        f"fuzz: {outcome.sent} requests, {outcome.answers} answers in {outcome.seconds:.0f} s, "
        f"{len(outcome.findings)} findings, the daemon holds {outcome.rss_mb:.0f} MB; seed {outcome.seed}"
    )
    return int(bool(outcome.findings))


if __name__ == "__main__":
    sys.exit(main())
