"""`docs/embedded-cluster.md`, made from the behaviours' marks and from what each cluster showed.

    python -m tests.contract.documentation [--output docs/embedded-cluster.md]

Needs no cluster: `make contract-record` runs the suite and keeps what was seen in `records/`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cluster.resources import VERSION
from tests.contract import scope
from tests.contract.account import STATES, account, counts
from tests.contract.behaviours import AREAS, Behaviour
from tests.contract.clients.activities import VERSION as VERSION_OF_TOOLKIT
from tests.contract.clients.kubectls import OLDEST
from tests.contract.scope import cell, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

FOLDER = Path(__file__).parent
BESIDES = """
- Limits of CPU and memory are kept and have no effect: nothing is OOMKilled; 250 pods are all there may be.
  securityContext has none either, but for runAsNonRoot: a pod may do what the user may who started it.
- A changed ConfigMap or Secret reaches its volumes after 0.3 s; a kubelet takes up to a minute, unless the pod itself
  changes too.
- Until their first success, readiness and startup probes are asked every 0.05 to 0.25 s besides their period.
- A command that exec started ends with its client, and what it left in the background with it.
- After `kubectl drain` the pods that it evicted come back on the one node there is.
"""
"""What differs in time or for lack of privilege, and is no assertion of the suite's."""
PAGE = FOLDER.parents[1] / "docs" / "embedded-cluster.md"


@dataclass(frozen=True)
class Record:
    """What one run of the suite saw of each behaviour, by its title: agrees, differs or fails."""

    cluster: str
    seen: dict[str, str]
    clients: dict[str, str] = field(default_factory=dict)
    """Which clients were at hand, and their versions."""

    @property
    def version(self) -> tuple[int, ...]:
        """The Kubernetes version of a real cluster."""
        return tuple(int(part) for part in self.cluster.split("."))

    def says(self, one: Behaviour) -> str:
        """A real cluster's cell of the table."""
        return "too old" if one.since > self.version else self.seen.get(one.title, "—")


def tests() -> list[tuple[Behaviour, Callable[..., Any]]]:
    """All tests of the suite, each with what it shows, in the order of the documentation's chapters."""
    modules = [importlib.import_module(_module(path)) for path in sorted(FOLDER.rglob("test_*.py"))]
    found = [
        (mark.args[0], test)
        for module in modules
        for test in vars(module).values()
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "behaviour"
    ]
    return sorted(found, key=lambda one: [*AREAS].index(one[0].area))


def behaviours() -> list[Behaviour]:
    """All that the suite shows, in the order of the documentation's chapters."""
    return [what for what, _ in tests()]


def _module(path: Path) -> str:
    return ".".join(("tests", "contract", *path.relative_to(FOLDER).with_suffix("").parts))


def records() -> tuple[Record, list[Record]]:
    """What was seen on the embedded cluster, and on each real one, oldest first."""
    found = [Record(**json.loads(path.read_text())) for path in FOLDER.glob("records/*.json")]
    (embedded,) = (one for one in found if one.cluster == "embedded")
    return embedded, sorted((one for one in found if one is not embedded), key=lambda one: one.version)


def page(shown: list[Behaviour], embedded: Record, real: list[Record]) -> str:
    """The documentation."""
    lines = [*_head(shown, embedded, real), *_clients([embedded, *real])]
    for area, title in AREAS.items():
        rows = [one for one in shown if one.area == area]
        if rows:
            head = ["behaviour", "seen since", "embedded", *(one.cluster for one in real)]
            cells = [
                [cell(b.title), _seen_since(b, real), _on_embedded(b, embedded, real), *(r.says(b) for r in real)]
                for b in rows
            ]
            lines += ["", f"## {title}", *table(head, cells)]
    return "\n".join([*lines, *_activities(), *scope.sections(), "", "## What differs besides", BESIDES.strip()]) + "\n"


def _head(shown: list[Behaviour], embedded: Record, real: list[Record]) -> Iterator[str]:
    yield "# The embedded cluster and Kubernetes"
    yield ""
    yield "Made by `make contract-docs` from the contract suite, `tests/contract`: do not edit. Each line is one test,"
    yield "run on the embedded cluster and, unless it is too old, on a real Kubernetes; where they differ, the real one"
    yield "is right. `as written`: the test passes on the embedded cluster and was written from Kubernetes' own"
    yield "documentation and sources, for no real cluster at hand is new enough to be compared with."
    yield ""
    agree = [one for one in shown if embedded.seen.get(one.title) == "agrees"]
    yield f"- {len(shown)} behaviours; the embedded cluster says that it is {VERSION['gitVersion']}."
    for one in real:
        both = sum(one.says(b) == "agrees" for b in agree)
        late = sum(b.since > one.version for b in agree)
        unseen = sum(one.says(b) == "—" for b in shown)
        yield f"- {both} agree on the embedded cluster and on a real Kubernetes {one.cluster}."
        yield f"- {unseen} are not yet seen on that one."
        yield f"- {late} are as written: newer than {one.cluster}, so compared with no real one."
    yield f"- {sum(bool(one.differs) for one in shown)} known differences, each said below with its reason."
    yield f"- {sum(bool(one.refused) for one in shown)} that the embedded cluster refuses by name."


def _clients(all_records: list[Record]) -> Iterator[str]:
    yield from ("", "## The clients")
    names = list(dict.fromkeys(name for one in all_records for name in one.clients))
    rows = [[name, *(one.clients.get(name, "—") for one in all_records)] for name in names]
    yield from table(["client", *(f"on {one.cluster}" for one in all_records)], rows)
    yield ""
    yield f"A kubectl older than {OLDEST[0]}.{OLDEST[1]} is not tested: it cannot exec here."


def _seen_since(one: Behaviour, real: list[Record]) -> str:
    """The oldest real cluster that showed it; else since which version it is said to be so."""
    seen = next((r.cluster for r in real if r.says(one) == "agrees"), None)
    return seen or f"not seen; said of {_dotted(one.since)}"


def _on_embedded(one: Behaviour, record: Record, real: list[Record]) -> str:
    if one.differs:
        return f"**differs**: {cell(one.differs)}"
    if one.refused:
        return f"**refused**: {cell(one.refused)}"
    said = record.seen.get(one.title, "—")
    compared = any(r.says(one) == "agrees" for r in real)
    return said if compared or said != "agrees" else "as written"


def _activities() -> Iterator[str]:
    found = account(tests())
    yield from ("", f"## The activities of chaostoolkit-kubernetes {VERSION_OF_TOOLKIT}")
    yield f"{len(found)} activities, by Chaos Toolkit itself:"
    yield ""
    yield from (f"- {count} {STATES[state]}." for state, count in counts(found).items())
    yield ""
    yield from table(["activity", "here", ""], [[f"`{n}`", a.state, cell(a.why)] for n, a in found.items()])


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def main() -> int:
    """Write the page; refuse to when a behaviour failed, for then there is nothing to tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    embedded, real = records()
    failed = [f"{r.cluster}: {title}" for r in (embedded, *real) for title, seen in r.seen.items() if seen == "fails"]
    if failed:
        print("cannot document what fails; mend it and record again:", *failed, sep="\n  ", file=sys.stderr)  # noqa: T201
        return 1
    options.output.write_text(page(behaviours(), embedded, real))
    return 0


if __name__ == "__main__":
    sys.exit(main())
