"""A campaign to 100,000 customers: held by its ceiling and, with approval, sent once each. How long it takes.

    python -m tests.bench.mails [--people 100000] [--output docs/bench-mails.md]

The mailer, the postbox and the shop behind them run for real, with a PostgreSQL of their own; customers are made by
generate_series. Counted is where mail is received. Fails (exit 1) when somebody gets none or two, when anything goes
out before it is approved above its ceiling, or past the bounds below.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.arguments import at_least_one
from tests.unit.storefront.mailing import Game
from tests.unit.storefront.stage import MAILER_FILES, SERVICES, Stage

MAX_POSTBOX_MB, MAX_MAILER_MB = 256, 256
"""Their limits on Kubernetes, in millions of bytes."""
MIN_PER_S = 100
_SEEDED = 192
_INSERT = """
insert into customers (id, email, name, lang)
select n, 'reader-' || n || '@large.example', 'Reader ' || n, case n %% 2 when 0 then 'fr' else 'en' end
from generate_series(1001, 1000 + %s) as n
"""


@dataclass(frozen=True)
class Measured:
    """What was seen. Memory in millions of bytes."""

    people: int
    held: str
    sent_while_held: int
    counted_s: float
    sent_s: float
    received: int
    readers: int
    mailer_mb: float
    postbox_mb: float

    @property
    def per_s(self) -> float:
        """Mails a second."""
        return self.received / self.sent_s

    def faults(self) -> list[str]:
        """What is not as it must be."""
        wrong = []
        if not self.held.startswith("the ceiling of newsletter") or self.sent_while_held:
            wrong.append(f"the ceiling did not hold it: {self.held!r}, {self.sent_while_held} mails")
        if not self.received == self.readers == self.people:
            wrong.append(f"{self.received} mails to {self.readers} people, expected one to each of {self.people}")
        if self.per_s < MIN_PER_S:
            wrong.append(f"{self.per_s:.0f} mails a second, expected at least {MIN_PER_S}")
        if self.mailer_mb > MAX_MAILER_MB or self.postbox_mb > MAX_POSTBOX_MB:
            wrong.append(f"{self.mailer_mb:.0f} MB of mailer and {self.postbox_mb:.0f} MB of postbox are too much")
        return wrong


def measure(people: int) -> Measured:
    """Run the campaign."""
    # Not pytest's own temporary folder: the database runs as another user.
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as folder:
        Path(folder).chmod(0o755)
        stage = Stage(Path(folder), f"127.202.{os.getpid() % 250 + 1}")
        try:
            return _measure(stage, people)
        finally:
            stage.close()


def _measure(stage: Stage, people: int) -> Measured:
    shutil.copytree(MAILER_FILES, stage.mailer_config)
    limits = stage.mailer_config / "limits.yaml"
    limits.write_text(limits.read_text().replace(", per_second: 40", ""))
    for service in SERVICES:
        stage.processes[service] = stage.start(service)
    stage.query(_INSERT, people - _SEEDED)
    mailer = stage.processes["mailer"]
    playing = Game(stage, mailer, stage.mailer_config, {})
    made = playing.ask("POST", "/campaigns", {"author": "Ada", "template": "newsletter", "product": "p001"})
    path = f"/campaigns/{made['campaign']}"
    began = time.monotonic()
    counted = playing.ask("POST", f"{path}/dry-run")["recipients"]
    counted_s = time.monotonic() - began
    approval = {"approver": "Basile", "recipients": counted}
    playing.ask("POST", f"{path}/approval", approval)
    held = playing.wait(lambda: playing.ask("GET", path)["held"])
    sent_while_held = _received(playing)
    playing.ask("POST", f"{path}/dry-run")
    playing.ask("POST", f"{path}/approval", {**approval, "above_ceiling": True})
    began = time.monotonic()
    while playing.ask("GET", path)["state"] != "sent":
        time.sleep(1)  # another process tells no events
        assert time.monotonic() - began < people / MIN_PER_S + 60, playing.log[-2000:]
    sent_s = time.monotonic() - began
    received, readers = _received(playing), _readers(playing)
    memory = [_memory_mb(stage.processes[name].popen.pid) for name in ("mailer", "postbox")]
    return Measured(counted, held, sent_while_held, counted_s, sent_s, received, readers, *memory)


def _received(playing: Game) -> int:
    return int(playing.ask("GET", "/api/v1/messages?limit=0", of=playing.stage.url("postbox"))["total"])


def _readers(playing: Game) -> int:
    """Different people whom mail has reached, page by page."""
    people: set[str] = set()
    start = 0
    while True:
        page = playing.ask("GET", f"/api/v1/messages?start={start}&limit=2000", of=playing.stage.url("postbox"))
        people |= {to["Address"] for mail in page["messages"] for to in mail["To"]}
        start += len(page["messages"])
        if not page["messages"]:
            return len(people)


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def report(seen: Measured) -> str:
    """The figures, as a page."""
    return f"""# A campaign to {seen.people:,} customers

`make bench-mails`: Python {platform.python_version()}, {os.cpu_count()} processors for all of the shop.

| What | Figure | Bound |
| --- | --- | --- |
| approved as any other: sent | {seen.sent_while_held} | 0 |
| the dry run counts them in | {seen.counted_s:.1f} s | |
| approved above its ceiling: sent in | {seen.sent_s:.0f} s, {seen.per_s:.0f} mails/s | at least {MIN_PER_S} mails/s |
| mails received | {seen.received:,} by {seen.readers:,} people | one each |
| the mailer's memory | {seen.mailer_mb:.0f} MB | {MAX_MAILER_MB} MB |
| the postbox's memory with all of them | {seen.postbox_mb:.0f} MB | {MAX_POSTBOX_MB} MB |

What held it: {seen.held}.
"""


def main() -> int:
    """Measure, print, and say whether all is within its bounds."""
    parser = argparse.ArgumentParser(description="A campaign to many customers.")
    parser.add_argument("--people", type=at_least_one, default=100_000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    seen = measure(max(given.people, 2 * _SEEDED))
    text = report(seen)
    sys.stdout.write(text)
    if given.output:
        given.output.write_text(text)
    faults = seen.faults()
    for fault in faults:
        sys.stderr.write(f"bench-mails: {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
