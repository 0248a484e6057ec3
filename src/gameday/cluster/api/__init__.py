"""The Kubernetes API of the embedded cluster, over HTTP.

Speaks to unmodified clients: kubectl, the official Python client, chaostoolkit-kubernetes.
It only translates between HTTP and the store; it runs nothing. What a real server would
do differently is a bug here, except for the bounds: what is not served is refused by name.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from gameday.cluster.api import discovery
from gameday.cluster.api.errors import AdmissionError, ApiError, from_store
from gameday.cluster.api.exec import Exec
from gameday.cluster.api.forms import wanted_form
from gameday.cluster.api.objects import AdmissionHook, Objects
from gameday.cluster.api.podlogs import PodLogs
from gameday.cluster.api.requests import Place, answer, flag, missing, parse_filter, parse_place
from gameday.cluster.api.watches import Watches
from gameday.cluster.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.typedefs import Handler, Middleware

    from gameday.cluster.logs import Executor, LogSource
    from gameday.cluster.store import Store

__all__ = ["AdmissionError", "AdmissionHook", "make_app"]

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The limit of a real API server."""


def make_app(
    store: Store, *, token: str, logs: LogSource, executor: Executor | None = None, admit: Sequence[AdmissionHook] = (),
    accepts: Callable[[str], bool] = lambda _: False,
) -> web.Application:  # fmt: skip
    """The API as an application to be served.

    Args:
        store: the cluster's objects.
        token: the bearer token that every request must carry, else 401.
        logs: where the output of containers is.
        executor: what runs commands in containers.
        admit: called in order with each object that is created, replaced or patched (not on
            dry runs, status or scale), after defaulting and before storing; they may edit it.
        accepts: whether a bearer token is good too.
    """
    api = _Api(store, logs, executor, admit)
    app = web.Application(middlewares=[_failures, _authentication(token, accepts)], client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", api.dispatch)
    app.on_shutdown.append(api.close)
    return app


class _Api:
    def __init__(
        self, store: Store, logs: LogSource, executor: Executor | None, admit: Sequence[AdmissionHook]
    ) -> None:
        self._objects = Objects(store, admit)
        self._watches = Watches(store)
        self._logs = PodLogs(store, logs)
        self._exec = Exec(store, executor) if executor else None

    async def close(self, _app: web.Application) -> None:
        """End what would stream for ever."""
        self._watches.close()
        self._logs.close()

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Send a request to what serves its place and verb."""
        match request.path.split("/")[1:]:
            case ["healthz" | "livez" | "readyz", *_]:
                return web.Response(text="ok")
            case ["api", version, *rest] if any(rest):
                place = parse_place("", version, rest)
            case ["apis", group, version, *rest] if any(rest):
                place = parse_place(group, version, rest)
            case _:
                return _discover(request)
        wanted_form(request.headers.get("Accept", ""))  # or it is refused, before anything is done
        try:
            return await self._serve(request, place)
        except StoreError as problem:
            raise from_store(problem, place.resource, place.name) from problem

    async def _serve(self, request: web.Request, place: Place) -> web.StreamResponse:  # noqa: C901, PLR0911 - one a verb
        match (request.method, bool(place.name), place.subresource):
            case ("GET", True, "log"):
                return await self._logs.serve(request, place)
            case ("GET" | "POST", True, "exec") if self._exec:
                return await self._exec.serve(request, place)
            case ("GET", _, "") if flag(request.query, "watch"):
                return await self._watches.serve(request, place, parse_filter(place, request.query))
            case ("GET", True, "" | "status" | "scale"):
                return self._objects.read(request, place)
            case ("GET", False, ""):
                return self._objects.collect(request, place)
            case ("POST", True, "eviction"):
                return await self._objects.evict(request, place)
            case ("POST", False, ""):
                return await self._objects.create(request, place)
            case ("PUT", True, "" | "status" | "scale" | "finalize"):
                return await self._objects.replace(request, place)
            case ("PATCH", True, "" | "status" | "scale"):
                return await self._objects.patch(request, place)
            case ("DELETE", True, ""):
                return await self._objects.delete(request, place)
            case ("DELETE", False, ""):
                return await self._objects.delete_all(request, place)
        raise ApiError(405, "the server does not allow this method on the requested resource", details={})


def _discover(request: web.Request) -> web.Response:
    if request.path.rstrip("/") == "/openapi/v2":
        # kubectl asks for it, as protobuf, about a kind that /openapi/v3 does not know: an empty document knows none.
        return web.Response(content_type="application/octet-stream")
    if request.method not in ("GET", "HEAD"):
        raise missing() if request.path == "/" else ApiError(405, "the server does not allow this method on this path")
    return answer(discovery.document(request.path))


def _authentication(token: str, accepts: Callable[[str], bool]) -> Middleware:
    expected = token.encode()

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, said = request.headers.get("Authorization", "").partition(" ")
        sent = said.encode("utf-8", "surrogateescape")
        known = hmac.compare_digest(sent, expected) or accepts(said)
        if scheme.lower() != "bearer" or not known:  # the official client says `bearer` in a pod
            raise ApiError(401, "Unauthorized")
        return await handler(request)

    return authenticate


@web.middleware
async def _failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a `Status`."""
    try:
        return await handler(request)
    except ApiError as problem:
        failure = problem
    except web.HTTPException as problem:
        failure = ApiError(problem.status, f"the server rejected the request: {problem.reason}")
    except ConnectionError:
        return web.Response(status=408)  # the client went away; nobody will read this
    except RecursionError:
        failure = ApiError(400, "the body of the request is nested too deeply")
    except Exception as problem:  # noqa: BLE001
        _log.exception("%s %s", request.method, request.path_qs)
        failure = ApiError(500, f"an error of the embedded cluster itself: {type(problem).__name__}: {problem}")
    return answer(failure.status(), status=failure.code)
