"""A small pool of PostgreSQL connections that comes back as soon as the database does.

psycopg_pool backs off exponentially while the database is away, so that a service would stay down for many
seconds after the end of an outage. Here a caller who finds no live connection opens one at once, or fails fast.
"""

import asyncio
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from weakref import WeakKeyDictionary

import psycopg
from aiohttp import web
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from gameday.storefront import metrics, migrate
from gameday.storefront.credentials import Credentials
from gameday.storefront.logs import log
from gameday.storefront.problems import Unavailable

Connection = psycopg.AsyncConnection[DictRow]

POOL_SIZE = 4
CONNECT_S = 1.0
STATEMENT_S = 2.0
MAX_AGE_S = 10.0  # so that a database Service that is pointed elsewhere is followed
MIGRATE_AGAIN_S = 0.1


class Database:
    """At most POOL_SIZE connections, opened when needed; autocommit; every statement ends within STATEMENT_S."""

    def __init__(self, credentials: Credentials, service: str) -> None:
        self.credentials = credentials
        self.is_migrated = True  # for all we know; who migrates knows better
        self.is_empty = asyncio.Event()  # somebody missed a table
        self._service = service
        self._slots = asyncio.Semaphore(POOL_SIZE)
        self._idle: list[Connection] = []
        self._opened_at: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()

    @asynccontextmanager
    async def connection(self, *, deadline_s: float = 2 * STATEMENT_S) -> AsyncIterator[Connection]:
        """Lend a connection for at most `deadline_s`; raises Unavailable when the database cannot be used."""
        try:
            async with asyncio.timeout(deadline_s), self._slots, self._lent() as lent:
                with metrics.CONNECTIONS_IN_USE.track_inprogress():
                    yield lent
        except psycopg.errors.UndefinedTable as error:
            self.is_empty.set()
            log("database-empty", error=str(error).splitlines()[0])
            raise Unavailable("the database") from error
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError, OSError) as error:
            log("database-unavailable", error=f"{type(error).__name__}: {error}".strip())
            raise Unavailable("the database") from error

    async def check(self) -> None:
        """Ask the database for a sign of life and for its tables; raises Unavailable."""
        async with self.connection(deadline_s=CONNECT_S) as connection:
            await connection.execute("select 1 from migrations limit 1")
        if not self.is_migrated:
            raise Unavailable("a table of the database")

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        connection = await self._take()
        try:
            yield connection
        finally:
            # One left inside a transaction or a query (cancelled, cut off) is not worth saving.
            idle = connection.info.transaction_status == TransactionStatus.IDLE
            if idle and time.monotonic() - self._opened_at.get(connection, 0.0) < MAX_AGE_S:
                self._idle.append(connection)
            else:
                await connection.close()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and not _has_news(connection):
                return connection
            await connection.close()
        return await self._connect()

    async def _connect(self) -> Connection:
        conninfo = self.credentials.conninfo(
            self._service,
            options=f"-c statement_timeout={int(STATEMENT_S * 1000)}",
            tcp_user_timeout=str(int(STATEMENT_S * 1000)),
        )
        async with asyncio.timeout(CONNECT_S):
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row)
        self._opened_at[connection] = time.monotonic()
        return connection


DATABASE = web.AppKey("database", Database)


def attach(app: web.Application, service: str, *, migrates: bool = False) -> None:
    """Give `app` its database, closed with the application; with `migrates` also kept at the schema that we know."""
    database = app[DATABASE] = Database(Credentials.from_environment(), service)
    if migrates:
        database.is_migrated = False
        app.cleanup_ctx.append(partial(_kept_migrated, scripts=migrate.scripts()))

    async def _close(app: web.Application) -> None:
        await app[DATABASE].close()

    app.on_cleanup.append(_close)


async def _kept_migrated(app: web.Application, scripts: list[migrate.Script]) -> AsyncIterator[None]:
    task = asyncio.create_task(_keep_migrated(app[DATABASE], scripts))
    yield
    task.cancel()


async def _keep_migrated(database: Database, scripts: list[migrate.Script]) -> None:
    """Migrate as soon as the database answers, and again when it has lost its tables with its pod."""
    while True:
        database.is_migrated = False
        database.is_empty.clear()
        try:
            applied = await asyncio.to_thread(migrate.migrate, database.credentials, scripts)
        except psycopg.OperationalError:
            await asyncio.sleep(MIGRATE_AGAIN_S)
            continue
        except migrate.MigrationError as error:
            log("migration-refused", error=str(error))
            return  # never ready: a rollout that brings such files stops here
        database.is_migrated = True
        log("migrated", applied=applied)
        await database.is_empty.wait()


async def database_answers(app: web.Application) -> None:
    """The readiness check of a service that needs its database."""
    await app[DATABASE].check()


def _has_news(connection: Connection) -> bool:
    """Whether an idle connection has something to read: then the server has said goodbye, or is gone."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
