"""The stage of these tests: real services and a real PostgreSQL, each process on a loopback address of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any, Self

import aiohttp
import psycopg

ROOT = Path(__file__).parents[3]
SQL = ROOT / "k8s" / "base" / "files" / "db"
MAILER_FILES = ROOT / "k8s" / "base" / "files" / "mailer"
DKIM = ROOT / "k8s" / "base" / "files" / "mailer-dkim"
START_S = 60.0
UNSUBSCRIBE_KEY = "a-key-for-tests"
SERVICES = ("db", "catalog", "cart", "orders", "registry", "members", "postbox", "mailer", "web")


def put(path: Path, text: str) -> None:
    """Write a file of a folder that a mailer looks at all the time: whole, by one move from beside that folder."""
    beside = path.parent.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


@dataclass
class Process:
    """One running service; a `with` block ends it."""

    service: str
    host: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Its HTTP port."""
        return f"http://{self.host}:8080"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Ask it to end, insist after 30 s, and return its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT if self.service == "db" and signum == signal.SIGTERM else signum)
            try:
                self.popen.wait(30)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode


@dataclass
class Stage:
    """Hands out addresses and starts services on them; `network` is the first three bytes of its addresses."""

    folder: Path
    network: str
    processes: dict[str, Process] = field(default_factory=dict)
    taken: int = 20

    def host(self, service: str) -> str:
        """The address of the one usual instance of a service."""
        return f"{self.network}.{SERVICES.index(service) + 1}"

    def url(self, service: str) -> str:
        """The HTTP port of the one usual instance of a service."""
        return f"http://{self.host(service)}:8080"

    def spare_host(self) -> str:
        """An address that nobody has."""
        self.taken += 1
        return f"{self.network}.{self.taken}"

    @property
    def mailer_config(self) -> Path:
        """The folder of the usual mailer's configuration."""
        return self.folder / "mailer"

    def environment(self, host: str, **more: str) -> dict[str, str]:
        """What Kubernetes and the manifests would set, but for web's patience: a busy machine shall lack no goods."""
        env = {"PATH": os.environ["PATH"], "POD_IP": host, "PYTHONUNBUFFERED": "1", "DRAIN_S": "0.2"}
        env["WEB_CATALOG_DEADLINE_S"] = "20"
        for service in SERVICES:
            env[f"{service.upper()}_SERVICE_HOST"] = self.host(service)
            env[f"{service.upper()}_SERVICE_PORT"] = "5432" if service == "db" else "8080"
        env |= {"POSTBOX_SERVICE_PORT_SMTP": "1025", "DB_USER": "shop", "DB_PASSWORD": "pw", "DB_NAME": "shop"}
        env |= {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "pw", "POSTGRES_DB": "shop", "DB_FSYNC": "off"}
        env |= {"PGDATA": str(self.folder / "pgdata"), "INITDB_DIR": str(self.folder / "no-scripts")}
        env |= {"MIGRATIONS_DIR": str(SQL / "migrations"), "SEEDS_DIR": str(SQL / "seeds")}
        env |= {"MAILER_CONFIG_DIR": str(self.mailer_config), "MAILER_DKIM_KEY_FILE": str(DKIM / "private.pem")}
        env |= {"MAILER_UNSUBSCRIBE_KEY": UNSUBSCRIBE_KEY, "POSTBOX_DIR": str(self.folder / f"postbox-{host}")}
        return env | more

    def spawn(self, service: str, host: str | None = None, **more: str) -> Process:
        """Start a service, without waiting for it."""
        host = host or self.host(service)
        log = self.folder / f"{service}-{host}-{time.monotonic_ns()}.log"
        with log.open("wb") as sink:
            popen = subprocess.Popen(
                [sys.executable, "-m", f"gameday.storefront.{service}"],
                env=self.environment(host, **more), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            )  # fmt: skip
        return Process(service, host, popen, log)

    def start(self, service: str, host: str | None = None, **more: str) -> Process:
        """Start a service and wait until it is ready."""
        process = self.spawn(service, host, **more)
        self.await_ready(process)
        return process

    def raise_curtain(self) -> None:
        """Start everything, the database first."""
        shutil.copytree(MAILER_FILES, self.mailer_config)
        self.processes["db"] = self.start("db")
        for service in SERVICES[1:]:
            self.processes[service] = self.spawn(service)
        for process in self.processes.values():
            self.await_ready(process)

    def close(self) -> None:
        """End everything, the database last."""
        for process in reversed(list(self.processes.values())):
            process.stop()

    def query(self, sql: str, *values: object, host: str = "") -> list[tuple[Any, ...]]:
        """Ask the database directly, or another one at `host`."""
        dsn = f"host={host or self.host('db')} user=shop password=pw dbname=shop connect_timeout=20"
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def send_mailer_away(self) -> None:
        """End the usual mailer, and forget what it had not sent yet: whoever comes in its place shall not find it."""
        self.processes["mailer"].stop()
        self.query("update outbox set processed_at = now() where processed_at is null")

    def price_cents(self, product: str) -> int:
        """What one costs today: less than on other days, when it is one of the day's deals."""
        sql = "select coalesce(deal_cents, price_cents) from products left join deals on product_id = id where id = %s"
        return int(self.query(sql, product)[0][0])

    def await_ready(self, process: Process) -> None:
        """Wait until a service says that it is ready; fail with its log when it does not."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if process.popen.poll() is not None:
                break
            if self._is_ready(process):
                return
            time.sleep(0.02)
        raise AssertionError(f"{process.service} did not become ready:\n{process.log.read_text()[-3000:]}")

    def _is_ready(self, process: Process) -> bool:
        try:
            if process.service == "db":
                return bool(self.query("select 1", host=process.host))
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{process.url}/readyz", timeout=2) as reply:
                return bool(reply.status == 200)
        except (OSError, psycopg.OperationalError):
            return False


@dataclass(frozen=True)
class Reply:
    """What a service said."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return loads(self.text)


@dataclass
class Visitor:
    """Talks HTTP; one a test."""

    session: aiohttp.ClientSession

    async def __call__(self, method: str, url: str, *, json: Any = None, **more: Any) -> Reply:
        """Send a request, as a program unless `headers` say otherwise; follow no redirect."""
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        async with self.session.request(
            method, url, json=json, headers=headers, allow_redirects=False, **more
        ) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, found, await response.text())
