"""Objects in the form that a client asked for: whole, their metadata alone, or as rows; one, many, or page by page."""

from __future__ import annotations

import asyncio
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

from gameday.cluster import tables
from gameday.cluster.api.conversions import shown
from gameday.cluster.api.errors import ApiError
from gameday.cluster.api.requests import Object, Place, is_number, whole_number

if TYPE_CHECKING:
    from aiohttp import web

_KEPT_PAGES = 64
"""How many lists can be read in pages at a time; the oldest then begins anew (410)."""
KEPT_S = 300.0
"""How long the rest of a list can be read."""
_FORMS = tuple((form, "meta.k8s.io", "v1") for form in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"))


def formed(request: web.Request, place: Place, obj: Object) -> Object:
    """One object as the client wants it."""
    form, obj = wanted_form(request.headers.get("Accept", "")), shown(place.resource, obj)
    if form == "Table":
        return {
            **_table(request, place, [obj]),
            "metadata": {"resourceVersion": obj["metadata"].get("resourceVersion", "")},
        }
    return tables.metadata_alone(obj) if form else obj


def listed(request: web.Request, place: Place, found: list[Object], meta: Object) -> Object:
    """A List as the client wants it; its items leave out kind and apiVersion, as a real server's do."""
    form, resource = wanted_form(request.headers.get("Accept", "")), place.resource
    if form == "Table":
        return {**_table(request, place, found), "metadata": meta}
    if form:
        items = [tables.metadata_alone(o) for o in found]
        return {"kind": f"{form}List", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items}
    items = [{k: v for k, v in shown(resource, o).items() if k not in ("kind", "apiVersion")} for o in found]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": items}


def _table(request: web.Request, place: Place, found: list[Object]) -> Object:
    return tables.table(place.key, found, request.query.get("includeObject", "Metadata"))


@lru_cache(maxsize=64)
def wanted_form(accept: str) -> str:
    """What objects are turned into for a client that accepts so: `Table`, `PartialObjectMetadata`, or nothing.

    Another encoding (protobuf) is passed over: the answer is JSON. Raises ApiError 406 for other forms alone.
    """
    found = []
    for offer in accept.split(","):
        options = dict(p.strip().partition("=")[::2] for p in offer.split(";")[1:])
        found.append(tuple(options.get(key, "") for key in ("as", "g", "v")))
        if found[-1] in _FORMS:
            return found[-1][0].removesuffix("List")
        if "json" in offer and not found[-1][0]:
            return ""
    if all(wanted for wanted, *_ in found):
        raise ApiError(406, "only the following media types are accepted: application/json, application/yaml, "
                            "application/vnd.kubernetes.protobuf")  # fmt: skip
    return ""


class Pages:
    """Lists that are read in pages: what is left of each, as it was when the list began."""

    def __init__(self) -> None:
        self._tokens = itertools.count(1)
        self._rests: dict[tuple[Place, int], tuple[list[Object], int]] = {}

    def turn(self, request: web.Request, place: Place, found: list[Object], revision: int) -> Object:
        """The page that a request wants of a list, which is `found` at its beginning, as the client wants it."""
        limit, token = whole_number(request.query, "limit") or None, request.query.get("continue", "")
        if token:
            if not is_number(token):
                raise ApiError(400, f"invalid continue token {token!r}: expected one of an earlier page")
            try:
                found, revision = self._rests[place, int(token)]
            except KeyError as problem:
                why = "The provided continue parameter is too old to display a consistent list result: list again"
                raise ApiError(410, why) from problem
        meta = {"resourceVersion": str(revision)}
        if limit and len(found) > limit:
            meta["continue"] = str(next(self._tokens))
            key = (place, int(meta["continue"]))
            self._rests[key] = found[limit:], revision
            asyncio.get_running_loop().call_later(KEPT_S, self._rests.pop, key, None)
            if len(self._rests) > _KEPT_PAGES:
                del self._rests[next(iter(self._rests))]
        return listed(request, place, found[:limit], meta)
