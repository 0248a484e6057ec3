"""Kinds of requests: what is left of one when the names are taken out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Kind", "kind_of"]


@dataclass(frozen=True, order=True)
class Kind:
    """A kind of request, and how it was answered."""

    path: str
    """Names in it are `{name}` and `{namespace}`."""
    method: str
    query: str
    """The parameters' names, joined by `&`."""
    content: str
    """The body's media type; empty when there was none."""
    status: int

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return " ".join(filter(None, (self.method, self.path + query, self.content, str(self.status))))

    @staticmethod
    def parse(text: str) -> Kind:
        """The kind that is written so. Raises ValueError."""
        method, target, *content, status = text.split()
        path, _, query = target.partition("?")
        return Kind(path, method, query, "".join(content), int(status))

    @property
    def asked(self) -> tuple[str, str, str, bool]:
        """What was asked for, whatever the answer and the finer points: method, path, media type, watch or not."""
        return self.method, self.path, self.content, "watch" in self.query.split("&")


def kind_of(method: str, target: str, content: str, status: int) -> Kind:
    """The kind of a request.

    Args:
        method: GET and the like.
        target: path and query, as in the request line.
        content: the Content-Type header, or nothing.
        status: the answer's.
    """
    url = urlsplit(target)
    query = "&".join(sorted({name for name, _ in parse_qsl(url.query, keep_blank_values=True)}))
    return Kind(_path(url.path), method, query, content.partition(";")[0].strip(), status)


def _path(path: str) -> str:
    """A path without names. Discovery's paths have none."""
    parts = path.strip("/").split("/")
    root = {"api": 2, "apis": 3}.get(parts[0], len(parts))
    head, rest = parts[:root], parts[root:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        head, rest = [*head, "namespaces", "{namespace}"], rest[2:]
    if len(rest) > 1:
        rest[1] = "{name}"
    return "/" + "/".join([*head, *rest])
