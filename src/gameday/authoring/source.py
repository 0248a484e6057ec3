"""An experiment file as data, with the line and column of every value.

Plain `yaml.safe_load` forgets where things stood and lets a duplicate key win
silently; here the node tree is kept long enough to tell both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Problem", "Source", "Where", "read_source"]

MAX_BYTES = 256 * 1024
"""The largest file that is read; experiments have some 3 KiB, and parsing a large one takes minutes."""

MAX_VALUES = 20_000
"""The most values a file may have once its aliases are written out."""

Where = tuple[str | int, ...]
"""Where a value stands in the data: the keys and indices that lead to it."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass
class Source:
    """A file's data (None when it cannot be parsed), where each value stands, and what is wrong."""

    file: str
    data: Any = None
    marks: dict[Where, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, where: Where, message: str) -> None:
        """Note a problem at a value; one that has no mark of its own takes its nearest parent's."""
        at = where
        while at not in self.marks and at:
            at = at[:-1]
        line, column = self.marks.get(at, (1, 1))
        self.problems.append(Problem(self.file, line, column, message))


def read_source(path: Path, *, shown_as: str | None = None) -> Source:
    """Read and parse a YAML or JSON file. Never raises: what is wrong is in `problems`."""
    source = Source(shown_as or str(path))
    text = _read_text(path, source)
    if text is None:
        return source
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as problem:
        source.complain((), f"broken YAML: is not text ({' '.join(str(problem).split())})")
        return source
    try:
        node = loader.get_single_node()
        if node is None:
            source.complain((), "is empty; an experiment is a mapping with a title, a hypothesis and a method")
            return source
        if _size(node, {}) > MAX_VALUES:
            source.complain((), f"its aliases unfold to more than {MAX_VALUES} values; write out what is meant")
            return source
        _walk(node, (), source, set())
        source.data = loader.construct_document(node)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(f"{problem.context or ''} {problem.problem or ''}".split())
        source.problems.append(Problem(source.file, line, column, f"broken YAML: {said}"))
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        said = " ".join(str(problem).split())
        source.complain((), f"broken YAML: {said}")
    finally:
        loader.dispose()
    return source


def _read_text(path: Path, source: Source) -> str | None:
    """The file's text; None, and a complaint, when there is none to parse."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return content.decode("utf-8")
        source.complain((), f"is too large: an experiment has at most {MAX_BYTES // 1024} KiB")
    except OSError as problem:
        source.complain((), f"cannot be read: {problem.strerror}")
    except UnicodeDecodeError as problem:
        source.complain((), f"is not UTF-8 text (byte {problem.start})")
    return None


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values there are once every alias is written out; an alias to its own parent counts as one."""
    if id(node) not in known:
        known[id(node)] = 1
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _walk(node: yaml.Node, where: Where, source: Source, above: set[int]) -> None:
    """Note where each value stands, and every key that is given twice in one mapping."""
    source.marks.setdefault(where, (node.start_mark.line + 1, node.start_mark.column + 1))
    if id(node) in above:  # an alias to one of its own parents
        return
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*where, index), source, above)
    elif isinstance(node, yaml.MappingNode):
        _walk_mapping(node, where, source, above)


def _walk_mapping(node: yaml.MappingNode, where: Where, source: Source, above: set[int]) -> None:
    """The mapping part of `_walk`: a value is marked where its key stands."""
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
            message = f"duplicate key '{key.value}' (first on line {seen[key.value]}); only the last would count"
            source.problems.append(Problem(source.file, line, column, message))
        seen.setdefault(key.value, line)
        source.marks[(*where, key.value)] = (line, column)
        _walk(value, (*where, key.value), source, above)
