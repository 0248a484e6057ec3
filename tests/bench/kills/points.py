"""Where to kill: at which write of which experiment, before it reached the server or before its answer came back."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from tests.bench.kills.line import When

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.kills.line import Write

__all__ = ["Moment", "Point", "draw", "shortened"]

_Moment = tuple[int, When]

BASELINE_S, WINDOW_S, ERROR_RATE = 1.5, 1.0, 0.9


@dataclass(frozen=True)
class Point:
    """The moment at which one run is ended. `turn` goes up by one with each of an experiment, and from one to the next.

    It says in which manner: of any four in a row, and of any four of one experiment, each is another.
    """

    experiment: str
    number: int
    when: When
    turn: int

    def hit(self, write: Write, when: When) -> bool:
        """Whether this write, on its way there or back, is the moment."""
        return write.number == self.number and when == self.when


@dataclass(frozen=True)
class Moment(Point):
    """A point by what is written, where nobody has counted: `number` is that of the write among those that match."""

    what: str = ""
    """A regular expression, of `PATCH /api/v1/nodes/worker`."""
    _matched: list[int] = field(default_factory=list, repr=False, compare=False)

    def hit(self, write: Write, when: When) -> bool:
        """Whether this write, on its way there or back, is the moment. Each must be asked about when it is sent."""
        if when == "sent" and re.search(self.what, f"{write.method} {write.path}"):
            self._matched.append(write.number)
        return when == self.when and self._matched[self.number - 1 : self.number] == [write.number]


def draw(writes: Mapping[str, Sequence[Write]], count: int, seed: int) -> list[Point]:
    """`count` moments, the experiments in turn; of each all moments in random order before any comes again. Pure."""
    rng = random.Random(seed)
    names = sorted(writes)
    left: dict[str, list[_Moment]] = {name: [] for name in names}
    points = []
    for turn in range(count):
        name = names[turn % len(names)]
        left[name] = left[name] or _shuffled(writes[name], rng)
        number, when = left[name].pop()
        points.append(Point(name, number, when, turn // len(names) + turn % len(names)))
    return points


def _shuffled(writes: Sequence[Write], rng: random.Random) -> list[_Moment]:
    moments: list[_Moment] = [(w.number, "sent") for w in writes] + [(w.number, "answered") for w in writes]
    rng.shuffle(moments)
    return moments


def shortened(file: Path, to: Path) -> Path:
    """The experiment with its waits cut down, and a hypothesis that is content with what samples are left.

    These are pages, so half of the visits or more are to the home page. What is of interest here are its writes.
    Returns the new file.
    """
    experiment = yaml.safe_load(file.read_text())
    settings = experiment["controls"][0]["provider"]["arguments"]
    settings["baseline_s"] = BASELINE_S
    mix = settings.setdefault("shoppers", {}).setdefault("mix", {"home": 1})
    mix["home"] = max(mix.get("home", 0), sum(share for of, share in mix.items() if of != "home"))
    for activity in experiment["method"]:
        arguments = activity["provider"].get("arguments") or {}
        if "duration_s" in arguments:
            arguments["duration_s"] = min(WINDOW_S, arguments["duration_s"])
    probe = experiment["steady-state-hypothesis"]["probes"][0]
    probe["provider"] |= {
        "module": "gameday.activities.probes.pages",
        "func": "page_error_rate_below",
        "arguments": {"limit": ERROR_RATE},
    }
    experiment["steady-state-hypothesis"]["probes"] = [probe]
    experiment.pop("extensions", None)
    made = to / file.name
    made.write_text(yaml.safe_dump(experiment, sort_keys=False))
    return made
