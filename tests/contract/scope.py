"""The documentation's chapters on what is served, refused and without effect, read from the cluster's own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster import schema
from gameday.cluster.api import validation
from gameday.cluster.api.refusals import REFUSED
from gameday.cluster.api.warnings import NO_EFFECT, warnings_for
from gameday.cluster.resources import RESOURCES
from tests.contract.clients.prints import PRINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["cell", "sections", "table", "unserved"]

_MARK = " are not served by the embedded cluster"
_ANY: tuple[Any, ...] = ({"x": {}}, "..", [{}])
"""Values that a rule may be tried with: rules of other shapes do not take all of them."""


def sections() -> Iterator[str]:
    """All of it, as lines of Markdown."""
    yield from ("", "## What is served")
    rows = [[f"`{r.qualified}`", r.api_version, ", ".join(f"`{s}`" for s in r.subresources)] for r in RESOURCES]
    yield from table(["resource", "version", "subresources"], rows)
    yield from ("", "## What is refused by name")
    yield "Each with a `Status` that names it; so is all else that is not served (404)."
    yield from table(["what", "status"], [[one.what, str(one.code)] for one in REFUSED])
    yield from ("", "In a pod or its template, each 422 with the field and what is not served:", "")
    yield from table(["field", "what"], [[f"`{field}`", what] for field, what in unserved()])
    yield from ("", "What kubectl prints of it, in its last line, and how it exits:", "")
    rows = [[f"`kubectl {command}`", str(one.code), " or, newer than 1.33, ".join(f"`{said}`" for said in
             filter(None, (one.last, one.newer)))] for command, one in PRINTS.items()]  # fmt: skip
    yield from table(["command", "exit code", "last line ends"], rows)
    yield from ("", "## What is accepted without effect", "Each with a `Warning` header, which kubectl prints.")
    rows = [[f"`{name}`", f"`{field}`", cell(text)] for name, field, text in _without_effect()]
    yield from table(["resource", "field", "warning"], rows)


def unserved() -> list[tuple[str, str]]:
    """The fields of a pod that are refused, and what each is: from the rules of validation, kinds of volumes too."""
    found = [(path, what) for path, *rules in validation._POD for rule in rules for what in _refused_by(rule, path)]
    served, known = set(validation._VOLUMES), schema.types()["V1Volume"]
    others = ", ".join(kind for kind in sorted(known) if kind not in {*served, "name"})
    found.append(("volumes[]", f"all kinds of volumes but {', '.join(validation._VOLUMES)}: {others}"))
    return list(dict.fromkeys(found))


def _refused_by(rule: Any, path: str) -> Iterator[str]:
    """What a rule says is not served, when it is tried with some value."""
    for value in _ANY:
        try:
            causes = list(rule(path, value))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        yield from (c.message.removeprefix("Forbidden: ").removesuffix(_MARK) for c in causes
                    if c.message.endswith(_MARK) and "x volumes" not in c.message)  # fmt: skip


def _without_effect() -> Iterator[tuple[str, str, str]]:
    yield from ((name, field, text) for name, fields in NO_EFFECT.items() for field, text in fields.items())
    spec: dict[str, Any] = {"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}
    balanced, *ports = warnings_for("services", {"spec": spec})
    yield ("services", "spec.type", balanced)
    yield from (("services", "spec.ports[].protocol", text) for text in ports)


def table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """A table, as lines of Markdown."""
    yield from (f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def cell(text: str | None) -> str:
    """What may stand in a table's cell."""
    return (text or "").replace("|", r"\|")
