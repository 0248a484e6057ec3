"""The transactional outbox as seen from its writers: how far the readers are behind, for /metrics."""

import math

from aiohttp import web
from prometheus_client import Gauge

from gameday.storefront import metrics
from gameday.storefront.database import DATABASE
from gameday.storefront.problems import Unavailable

WAITING = Gauge("outbox_waiting", "Events in the outbox that nobody has dealt with; NaN when it cannot be read.")
LAG = Gauge("outbox_lag_seconds", "Age of the oldest of them; NaN when it cannot be read.")

_LOOK = """
select count(*) as waiting, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as lag
from outbox where processed_at is null
"""


def watch(app: web.Application) -> None:
    """Let `app` tell of the outbox whenever it is asked for its metrics."""
    app[metrics.OBSERVERS] = [*app.get(metrics.OBSERVERS, []), _look]


async def _look(app: web.Application) -> None:
    waiting, lag = math.nan, math.nan
    try:
        async with app[DATABASE].connection(deadline_s=1.0) as connection:
            row = await (await connection.execute(_LOOK)).fetchone()
        if row is not None:
            waiting, lag = row["waiting"], max(row["lag"], 0.0)
    except Unavailable:
        pass  # said by NaN
    WAITING.set(waiting)
    LAG.set(lag)
