"""The database's schema and first data: numbered SQL files, each applied once, in order, whole or not at all.

``python -m gameday.storefront.migrate`` applies what lacks and says so; every service that needs the database does the
same when it starts, and again when it finds the database empty, as it is after the pod that held the data was replaced:
an init container would not run a second time then.

Files are named ``NNNN-what.sql``. The table `migrations` keeps what was applied: name, SHA-256 and when. A file that
was applied and has changed since is refused, before anything else is applied. An advisory lock lets one at a time work.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from gameday.storefront import settings
from gameday.storefront.credentials import Credentials

Connection = psycopg.Connection[tuple[Any, ...]]

LOCK = 0x67616D65  # any number, as long as nobody else takes it
CONNECT_S = 2
_NAME = re.compile(r"\d{4}-[a-z0-9-]+\.sql")

_BOOK = """
create table if not exists migrations (
    name       text primary key,
    sha256     text not null,
    applied_at timestamptz not null default clock_timestamp()
)
"""


class MigrationError(Exception):
    """The files cannot be applied to this database: one line that says which and why."""


@dataclass(frozen=True)
class Script:
    """A file: the name it is remembered by, and its text."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What tells a file from a changed one."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def scripts() -> list[Script]:
    """All files in order: the schema's from MIGRATIONS_DIR, then the data's from SEEDS_DIR; raises SettingError."""
    return _read("MIGRATIONS_DIR", "") + _read("SEEDS_DIR", "seeds/")


def migrate(credentials: Credentials, wanted: list[Script]) -> list[str]:
    """Apply those of `wanted` that were not yet, and return their names.

    Waits for whoever is at it. Raises MigrationError, and psycopg.OperationalError while the database is away.
    """
    with psycopg.connect(credentials.conninfo("migrate"), connect_timeout=CONNECT_S, autocommit=True) as connection:
        if _lacking(connection, wanted) == []:
            return []
        connection.execute("select pg_advisory_lock(%s)", (LOCK,))  # given back when the connection ends
        connection.execute(_BOOK)
        lacking = _lacking(connection, wanted) or []
        for script in lacking:
            _apply(connection, script)
        return [script.name for script in lacking]


def _read(variable: str, prefix: str) -> list[Script]:
    folder = Path(settings.text(variable))
    paths = sorted(folder.glob("*.sql"))
    odd = [path.name for path in paths if not _NAME.fullmatch(path.name)]
    if odd or not paths:
        found = f"holds {odd[0]}" if odd else "holds no SQL file"
        raise settings.SettingError(f"{variable} is {folder}, which {found}; expected files named like 0042-what.sql")
    return [Script(prefix + path.name, path.read_text(encoding="utf-8")) for path in paths]


def _lacking(connection: Connection, wanted: list[Script]) -> list[Script] | None:
    """What is yet to be applied; None when it has never seen any. Raises MigrationError for a changed file."""
    try:
        rows = connection.execute("select name, sha256 from migrations").fetchall()
    except psycopg.errors.UndefinedTable:
        return None
    applied: dict[str, str] = dict(rows)
    for script in wanted:
        if applied.get(script.name, script.sha256) != script.sha256:
            raise MigrationError(
                f"migration {script.name} was changed after it was applied (sha256 {script.sha256[:12]}, expected "
                f"{applied[script.name][:12]}): restore the file, and put the change into one with a new number"
            )
    return [script for script in wanted if script.name not in applied]


def _apply(connection: Connection, script: Script) -> None:
    try:
        with connection.transaction():
            connection.execute(script.sql.encode())
            connection.execute("insert into migrations (name, sha256) values (%s, %s)", (script.name, script.sha256))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise MigrationError(f"migration {script.name} failed and left nothing behind: {said}") from error


def main() -> int:
    """Apply what lacks; 0 when all is there, 1 when the database or a file does not allow it, 2 for a bad setting."""
    try:
        applied = migrate(Credentials.from_environment(), scripts())
    except (MigrationError, psycopg.OperationalError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 1
    except settings.SettingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"applied {', '.join(applied)}\n" if applied else "nothing to apply\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
