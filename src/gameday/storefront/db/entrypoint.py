"""The entrypoint: settings, the data folder, the first start, and at last postgres in our place."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gameday.storefront import settings
from gameday.storefront.db.account import Account, database_account
from gameday.storefront.db.binaries import installation
from gameday.storefront.db.initialise import STAGING, Cluster, InitError, initialise

# Small and quick: a shop's worth of data, many of these on one machine; no shared memory outlives a killed server.
TUNING = {
    "shared_buffers": "16MB",
    "max_connections": "60",
    "superuser_reserved_connections": "2",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
    "io_method": "sync",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",
    "huge_pages": "off",
    "log_min_messages": "warning",
}
# Survives the crash of a process (the kernel keeps what was written), not of the machine.
WITHOUT_FSYNC = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Plan:
    """What the environment asks for."""

    user: str
    password: str
    database: str
    pgdata: Path
    scripts: Path
    listen: settings.Address
    fsync: bool

    @classmethod
    def from_environment(cls) -> "Plan":
        """Read it, or raise SettingError."""
        user = settings.text("POSTGRES_USER", "postgres")
        return cls(
            user=user,
            password=settings.text("POSTGRES_PASSWORD"),
            database=settings.text("POSTGRES_DB", user),
            pgdata=Path(settings.text("PGDATA", "/var/lib/postgresql/18/docker")),
            scripts=Path(settings.text("INITDB_DIR", "/docker-entrypoint-initdb.d")),
            listen=settings.listen_address(default=5432),
            fsync=settings.switch("DB_FSYNC"),
        )

    @property
    def tuning(self) -> dict[str, str]:
        """The server settings, whatever the phase."""
        return TUNING if self.fsync else TUNING | WITHOUT_FSYNC


def main() -> int:
    """Prepare the data folder when it is new, then exec postgres; returns only when that is impossible."""
    try:
        plan = Plan.from_environment()
        account = database_account()
        programs = installation(account) / "bin"
        data = _data_folder(plan.pgdata, account)
        scripts = _read_scripts(plan.scripts)
        os.umask(0o077)
        account.assume()
        os.environ.update(HOME="/", LC_ALL="C.UTF-8")
        if not (data / "PG_VERSION").exists():
            cluster = Cluster(programs, plan.user, plan.password, plan.database, plan.tuning)
            initialise(cluster, data, scripts)
        _forget_dead_server(data)
        _become_postgres(programs, data, plan)
    except (settings.SettingError, InitError) as error:
        sys.stderr.write(f"{error}\n")
    except OSError as error:
        sys.stderr.write(f"cannot start PostgreSQL: {error}\n")
    return 1


def _data_folder(pgdata: Path, account: Account) -> Path:
    """Make the data folder, give it to `account`, and return a path by which that account reaches it.

    Below a folder that is closed to the account (a home, often) the path goes through an open descriptor,
    which needs no right on the parents and no change to them.
    """
    pgdata.mkdir(parents=True, exist_ok=True)
    account.owns(pgdata)
    pgdata.chmod(0o700)
    if account.reaches(pgdata):
        return pgdata
    descriptor = os.open(pgdata, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)
    return Path(f"/proc/self/fd/{descriptor}")


def _read_scripts(folder: Path) -> list[tuple[str, str]]:
    """Name and text of the init scripts, in order; read before we lose the right to."""
    if not folder.is_dir():
        return []
    return [(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that was killed, when its process id now belongs to something else."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        is_alive = Path(f"/proc/{pid}/cwd").samefile(data)
    except (OSError, ValueError):
        is_alive = False
    if not is_alive:
        lock.unlink(missing_ok=True)
    shutil.rmtree(data / STAGING, ignore_errors=True)


def _become_postgres(programs: Path, data: Path, plan: Plan) -> None:
    options = plan.tuning | {
        "listen_addresses": "*" if plan.listen.host == "0.0.0.0" else plan.listen.host,  # noqa: S104
        "port": str(plan.listen.port),
        "unix_socket_directories": "",  # nobody needs a way in beside the Service's
    }
    program = programs / "postgres"
    arguments = [str(program), "-D", str(data)]
    for name, value in options.items():
        arguments += ["-c", f"{name}={value}"]
    sys.stdout.flush()
    os.execv(program, arguments)  # noqa: S606 - becoming it is the point
