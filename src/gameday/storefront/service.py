"""The skeleton of every HTTP service: probes, request ids, errors, log lines, draining.

A stop loses no request: on SIGTERM readiness turns 503, the service goes on answering for DRAIN_S while the
endpoints follow, asks its clients to close their connections, finishes what is in flight and exits 0.
"""

import asyncio
import json
import logging
import re
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from gameday.storefront import metrics, openapi, settings
from gameday.storefront.logs import Lines, log, request_id, service_name
from gameday.storefront.problems import Problem, Unavailable, problem_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ReadyCheck = Callable[[web.Application], Awaitable[None]]
ErrorPage = Callable[[web.Request, Problem], web.Response]

BODY_LIMIT_BYTES = 64 * 1024
BODY_S = 5.0
LINGER_S = 1.0  # for what a client still sends after it was refused
FINISH_S = 5.0
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

NAME = web.AppKey("name", str)
READY: web.AppKey[ReadyCheck] = web.AppKey("ready")
ERROR_PAGE: web.AppKey[ErrorPage] = web.AppKey("error_page")
DRAINING = web.AppKey("draining", asyncio.Event)
MAX_CONNECTION_AGE: web.AppKey[float] = web.AppKey("max_connection_age_s")
CONNECTIONS: "web.AppKey[WeakKeyDictionary[asyncio.BaseTransport, float]]" = web.AppKey("connections")
_SOUND_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def always_ready(_app: web.Application) -> None:
    """The readiness of a service that needs nothing but itself."""


def json_error_page(_request: web.Request, problem: Problem) -> web.Response:
    """The error reply of a JSON API."""
    return problem_json(problem, request_id.get())


def application(
    name: str, *, ready: ReadyCheck = always_ready, error_page: ErrorPage = json_error_page
) -> web.Application:
    """An application with probes, request ids and errors in place.

    `ready` raises Unavailable while the service cannot do its work; `error_page` renders a problem for the caller.
    """
    app = web.Application(middlewares=[_identify, _answer_errors], client_max_size=BODY_LIMIT_BYTES)
    app[NAME] = name
    app[READY] = ready
    app[ERROR_PAGE] = error_page
    app[DRAINING] = asyncio.Event()
    app[MAX_CONNECTION_AGE] = settings.number("MAX_CONNECTION_AGE_S", 1.0)
    app[CONNECTIONS] = WeakKeyDictionary()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    if (described := openapi.document(name)) is not None:
        app.router.add_get("/openapi.json", _describe(described))
    return app


async def read_json(request: web.Request) -> dict[str, Any]:
    """The request's body, which must be a JSON object; raises Problem 400."""
    try:
        body = json.loads(await read_body(request))
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body is not a JSON object")
    return body


async def read_body(request: web.Request) -> bytes:
    """The request's body; raises Problem 408 when it takes longer than BODY_S, 400 when it is cut off or bent."""
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {BODY_S:g} s", headers={"Connection": "close"}) from None
    except web.RequestPayloadError:
        raise Problem(400, "the body could not be read") from None


def read_idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key header, 1 to 128 printable characters; raises Problem 400."""
    return sound_key(request.headers.get("Idempotency-Key", ""))


def sound_key(key: str) -> str:
    """`key` when it can serve as an idempotency key; raises Problem 400."""
    if not re.fullmatch(r"[!-~]{1,128}", key):
        raise Problem(400, "an Idempotency-Key of 1 to 128 printable ASCII characters is required")
    return key


def run(build: Callable[[], web.Application]) -> None:
    """Build the application and serve it until SIGTERM or SIGINT; exits 2 on a setting that makes no sense."""
    try:
        asyncio.run(_serve(build))
    except settings.SettingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error.strerror or error}; is another process on that address?\n")
        sys.exit(1)


async def _serve(build: Callable[[], web.Application]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    app = build()
    service_name.set(app[NAME])
    logging.basicConfig(handlers=[Lines()], level=logging.WARNING)
    drain_s = settings.number("DRAIN_S", 0.5)
    address = settings.listen_address()
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=FINISH_S, handle_signals=False, lingering_time=LINGER_S
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port, backlog=256).start()
        log("listening", address=f"{address.host}:{address.port}")
        await stop.wait()
        app[DRAINING].set()
        log("draining", drain_s=drain_s)
        await asyncio.sleep(drain_s)
    finally:
        await runner.cleanup()
    log("stopped")


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def _readyz(request: web.Request) -> web.Response:
    if request.app[DRAINING].is_set():
        raise Unavailable("this pod is stopping and")
    await request.app[READY](request.app)
    return web.json_response({"status": "ready"})


def _describe(document: dict[str, Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def describe(_request: web.Request) -> web.Response:
        return web.json_response(document)

    return describe


async def _metrics(request: web.Request) -> web.Response:
    if "X-Forwarded-Proto" in request.headers:  # which the edge sets: this is nobody's business outside
        raise Problem(404, "Not Found")
    return await metrics.show(request)


@web.middleware
async def _identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id (the caller's, when sound), put it on the response and log what came out."""
    given = request.headers.get("X-Request-Id", "")
    token = request_id.set(given if _SOUND_ID.fullmatch(given) else uuid.uuid4().hex)
    started = time.monotonic()
    try:
        response = await handler(request)
        response.headers["X-Request-Id"] = request_id.get()
        if request.app[DRAINING].is_set() or _is_old(request):
            response.force_close()
        if request.path not in PROBES:
            took_s = time.monotonic() - started
            metrics.count(request, response.status, took_s)
            log("request", method=request.method, path=request.path, status=response.status,
                took_ms=round(took_s * 1000, 1))  # fmt: skip
        return response
    finally:
        request_id.reset(token)


def _is_old(request: web.Request) -> bool:
    """Whether the caller should come back on a new connection.

    A connection stays with its pod for life: without an end to it new pods get no work, and a Service that is
    pointed elsewhere keeps its old callers.
    """
    if request.transport is None:
        return False
    now = time.monotonic()
    since = request.app[CONNECTIONS].setdefault(request.transport, now)
    return now - since > request.app[MAX_CONNECTION_AGE]


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a reply that shows nothing of our insides."""
    try:
        return await handler(request)
    except Problem as problem:
        return request.app[ERROR_PAGE](request, problem)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - a redirect is an answer
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return request.app[ERROR_PAGE](request, Problem(error.status, error.reason, headers=allow))
    except Exception as error:  # noqa: BLE001 - the guard of every handler: nothing leaks, all is logged
        log("bug", error=repr(error), traceback=traceback.format_exc())
        return request.app[ERROR_PAGE](request, Problem(500, "an error on our side; it has been logged"))
