"""What Prometheus reads at ``GET /metrics``: requests, latencies, database connections, and what an app adds."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Counter("http_requests", "Requests answered, by route, method and status.", ["route", "method", "status"])
LATENCY = Histogram(
    "http_request_duration_seconds", "Time to an answer, by route and method.", ["route", "method"], buckets=BUCKETS_S
)
CONNECTIONS_IN_USE = Gauge("db_connections_in_use", "Database connections lent out at the moment.")

Observer = Callable[[web.Application], Awaitable[None]]
OBSERVERS: web.AppKey[list[Observer]] = web.AppKey("observers")


def count(request: web.Request, status: int, took_s: float) -> None:
    """Count one request; its route, not its path, so that nobody can make labels without end."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(route, method, str(status)).inc()
    LATENCY.labels(route, method).observe(took_s)


async def show(request: web.Request) -> web.Response:
    """All of it, after the app's own observers had a look; what they cannot see keeps its last value."""
    for observe in request.app.get(OBSERVERS, []):
        await observe(request.app)
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
