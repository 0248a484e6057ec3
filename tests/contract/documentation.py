"""`docs/embedded-cluster.md`, made from the behaviours' marks and from what each cluster showed.

    python -m tests.contract.documentation [--output docs/embedded-cluster.md]

Needs no cluster: `make contract-record` runs the suite and keeps what was seen in `records/`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cluster.api.refusals import REFUSED
from gameday.cluster.api.warnings import NO_EFFECT
from gameday.cluster.resources import RESOURCES, VERSION
from tests.contract.behaviours import AREAS, Behaviour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(__file__).parent
BESIDES = """
- Requests and limits of CPU and memory are kept and have no effect: nothing is Pending for lack of room (but for 250
  pods), nothing is OOMKilled. securityContext has none either: a pod may do what the user may who started it.
- A changed ConfigMap or Secret reaches its volumes after 0.3 s; a kubelet takes up to a minute, unless the pod itself
  changes too.
- Until their first success, readiness and startup probes are asked every 0.05 to 0.25 s besides their period.
- exec speaks WebSocket alone: kubectl before 1.31, which speaks SPDY, is told so (400).
- `kubectl cordon` and `kubectl drain` print the refusal and exit 0, by kubectl's own code; pods that drain evicts come
  back on the one node there is.
- A command that exec started ends with its client, and what it left in the background with it.
- A strategic patch that is broken, a watch from a version that is no number and a create with a resourceVersion answer
  400; 1.20 answers 500. Without a token the answer is 401; a real cluster may take one for anonymous, and answer 403.
- `..` in a mountPath is refused (422), since a pod's files are a folder of the user's.
"""
"""What differs in time or for lack of privilege, and is no assertion of the suite's."""
PAGE = FOLDER.parents[1] / "docs" / "embedded-cluster.md"


@dataclass(frozen=True)
class Record:
    """What one run of the suite saw of each behaviour, by its title: agrees, differs or fails."""

    cluster: str
    seen: dict[str, str]

    @property
    def version(self) -> tuple[int, ...]:
        """The Kubernetes version of a real cluster."""
        return tuple(int(part) for part in self.cluster.split("."))

    def says(self, one: Behaviour) -> str:
        """A real cluster's cell of the table."""
        return "too old" if one.since > self.version else self.seen.get(one.title, "—")


def behaviours() -> list[Behaviour]:
    """All that the suite shows, in the order of the documentation's chapters."""
    modules = [importlib.import_module(_module(path)) for path in sorted(FOLDER.rglob("test_*.py"))]
    marks = [mark for m in modules for f in vars(m).values() for mark in getattr(f, "pytestmark", ())]
    found = [mark.args[0] for mark in marks if mark.name == "behaviour"]
    return sorted(found, key=lambda one: [*AREAS].index(one.area))


def _module(path: Path) -> str:
    return ".".join(("tests", "contract", *path.relative_to(FOLDER).with_suffix("").parts))


def records() -> tuple[Record, list[Record]]:
    """What was seen on the embedded cluster, and on each real one, oldest first."""
    found = [Record(**json.loads(path.read_text())) for path in FOLDER.glob("records/*.json")]
    (embedded,) = (one for one in found if one.cluster == "embedded")
    return embedded, sorted((one for one in found if one is not embedded), key=lambda one: one.version)


def page(shown: list[Behaviour], embedded: Record, real: list[Record]) -> str:
    """The documentation."""
    lines = [*_head(shown, embedded, real)]
    for area, title in AREAS.items():
        rows = [one for one in shown if one.area == area]
        if rows:
            head = ["behaviour", "since", "embedded", *(one.cluster for one in real)]
            cells = [[_cell(b.title), _dotted(b.since), _on_embedded(b, embedded), *(r.says(b) for r in real)]
                     for b in rows]  # fmt: skip
            lines += ["", f"## {title}", *_table(head, cells)]
    return "\n".join([*lines, *_served(), *_refused(), *_without_effect(), *_besides()]) + "\n"


def _head(shown: list[Behaviour], embedded: Record, real: list[Record]) -> Iterator[str]:
    yield "# The embedded cluster and Kubernetes"
    yield ""
    yield "Made by `make contract-docs` from the contract suite, `tests/contract`: do not edit. Each line is one test,"
    yield "run on the embedded cluster and on a real Kubernetes; where they differ, the real one is right."
    yield ""
    agree = [one for one in shown if embedded.seen.get(one.title) == "agrees"]
    yield f"- {len(shown)} behaviours; the embedded cluster says that it is {VERSION['gitVersion']}."
    for one in real:
        both = sum(one.says(b) == "agrees" for b in agree)
        late = sum(b.since > one.version for b in shown)
        unseen = sum(one.says(b) == "—" for b in shown)
        yield (
            f"- {both} agree on the embedded cluster and on a real Kubernetes {one.cluster}; {late} are newer than "
            f"that one, {unseen} not yet seen there."
        )
    yield f"- {sum(bool(one.differs) for one in shown)} known differences, each said below with its reason."
    yield f"- {sum(bool(one.refused) for one in shown)} that the embedded cluster refuses by name."


def _on_embedded(one: Behaviour, record: Record) -> str:
    if one.differs:
        return f"**differs**: {_cell(one.differs)}"
    return f"**refused**: {_cell(one.refused)}" if one.refused else record.seen.get(one.title, "—")


def _served() -> Iterator[str]:
    yield from ("", "## What is served")
    rows = [[f"`{r.qualified}`", r.api_version, ", ".join(f"`{s}`" for s in r.subresources)] for r in RESOURCES]
    yield from _table(["resource", "version", "subresources"], rows)


def _refused() -> Iterator[str]:
    yield from (
        "",
        "## What is refused by name",
        "Each with a `Status` that names it; so is all else that is not served (404).",
    )
    yield from _table(["what", "status"], [[one.what, str(one.code)] for one in REFUSED])


def _without_effect() -> Iterator[str]:
    yield from ("", "## What is accepted without effect", "Each with a `Warning` header, which kubectl prints.")
    rows = [[f"`{name}`", f"`{field}`", _cell(text)]
            for name, fields in NO_EFFECT.items() for field, text in fields.items()]  # fmt: skip
    yield from _table(["resource", "field", "warning"], rows)


def _besides() -> Iterator[str]:
    yield from ("", "## What differs besides", *BESIDES.strip().splitlines())


def _table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield from (f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _cell(text: str | None) -> str:
    return (text or "").replace("|", r"\|")


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
