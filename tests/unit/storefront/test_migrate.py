"""Migrations: applied once each, in order, whole or not at all, by however many at a time."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from .conftest import play
from .stage import ROOT, SQL, Stage

LARGE = ROOT / "k8s" / "data" / "large" / "0002-large.sql"


@pytest.fixture
def empty(stage: Stage) -> Iterator[str]:
    """The address of a database without a table, which is gone after the test."""
    pgdata, host = stage.folder / f"empty-{time.monotonic_ns()}", stage.spare_host()
    with stage.start("db", host, PGDATA=str(pgdata)):
        yield host
    shutil.rmtree(pgdata)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the migrations and seeds, to be bent."""
    shutil.copytree(SQL / "migrations", tmp_path / "migrations")
    shutil.copytree(SQL / "seeds", tmp_path / "seeds")
    return tmp_path


def _ask(host: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(f"host={host} user=shop password=pw dbname=shop connect_timeout=20", autocommit=True) as asked:
        cursor = asked.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def _spawn(stage: Stage, host: str, files: Path = SQL) -> "subprocess.Popen[str]":
    where = {"MIGRATIONS_DIR": str(files / "migrations"), "SEEDS_DIR": str(files / "seeds")}
    env = stage.environment(stage.spare_host(), DB_SERVICE_HOST=host, **where)
    argv = [sys.executable, "-m", "gameday.storefront.migrate"]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _migrate(stage: Stage, host: str, files: Path = SQL) -> tuple[int, str]:
    """Exit code, and all that was said."""
    with _spawn(stage, host, files) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def test_each_file_is_applied_once_and_on_record(stage: Stage, empty: str, files: Path) -> None:
    """The first run applies all in order, the second none; a new file is applied alone."""
    names = [path.name for path in sorted((SQL / "migrations").iterdir())]
    names += [f"seeds/{path.name}" for path in sorted((SQL / "seeds").iterdir())]
    assert _migrate(stage, empty) == (0, f"applied {', '.join(names)}\n")
    assert _migrate(stage, empty) == (0, "nothing to apply\n")
    assert [name for (name,) in _ask(empty, "select name from migrations order by applied_at")] == names
    assert _ask(empty, "select count(*) from migrations where sha256 ~ '^[0-9a-f]{64}$' and applied_at <= now()") == [
        (len(names),)
    ]
    (files / "migrations" / "9000-more.sql").write_text("create table more (id integer);")
    assert _migrate(stage, empty, files) == (0, "applied 9000-more.sql\n")


def test_two_at_once_are_safe(stage: Stage, empty: str) -> None:
    """Of several that start together each file is applied by one, and all end well."""
    racers = [_spawn(stage, empty) for _ in range(4)]
    said = [racer.communicate(timeout=60) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, said
    applied = [name for out, _ in said if out.startswith("applied ") for name in out[8:].strip().split(", ")]
    assert sorted(applied) == sorted(str(name) for (name,) in _ask(empty, "select name from migrations"))
    assert _ask(empty, "select count(*) from products") == [(40,)]


def test_a_changed_applied_file_is_refused(stage: Stage, empty: str, files: Path) -> None:
    """One clear line names the file; nothing else is applied, and what is there stays."""
    assert _migrate(stage, empty, files)[0] == 0
    with (files / "migrations" / "0001-schema.sql").open("a") as file:
        file.write("\ndrop table products;\n")
    (files / "migrations" / "9000-more.sql").write_text("create table more (id integer);")
    code, said = _migrate(stage, empty, files)
    assert (code, said.count("\n")) == (1, 1)
    assert "migration 0001-schema.sql was changed after it was applied" in said
    assert "new number" in said
    assert _ask(empty, "select to_regclass('more')::text, count(*) from products") == [(None, 40)]


def test_a_file_that_fails_leaves_nothing_behind(stage: Stage, empty: str, files: Path) -> None:
    """A bad statement takes its whole file back, in one line; mended, the file is applied."""
    bad = files / "migrations" / "9000-bad.sql"
    bad.write_text("create table half (id integer); select nothing from nowhere;")
    code, said = _migrate(stage, empty, files)
    assert (code, said.count("\n")) == (1, 1)
    assert "9000-bad.sql" in said
    assert "nowhere" in said
    assert _ask(empty, "select to_regclass('half')::text, to_regclass('products')::text") == [(None, "products")]
    bad.write_text("create table half (id integer);")
    assert _migrate(stage, empty, files)[0] == 0


@pytest.mark.parametrize("name", ["more.sql", "42-more.sql", "0042_more.sql"])
def test_a_file_without_a_number_is_refused(stage: Stage, files: Path, name: str) -> None:
    """Without four digits there is no order: exit 2, one line, before the database is asked."""
    (files / "migrations" / name).write_text("select 1;")
    code, said = _migrate(stage, stage.spare_host(), files)
    assert (code, said.count("\n")) == (2, 1)
    assert name in said


def test_a_database_that_lost_its_tables_gets_them_again(stage: Stage, empty: str) -> None:
    """A service whose database comes back empty, as after the loss of its pod, migrates it and serves."""
    with stage.start("catalog", stage.spare_host(), DB_SERVICE_HOST=empty) as catalog:
        _ask(empty, "drop schema public cascade; create schema public;")
        lost = play(lambda visit: visit("GET", f"{catalog.url}/products"))
        assert lost.status == 503
        stage.await_ready(catalog)
        assert len(play(lambda visit: visit("GET", f"{catalog.url}/products")).json["products"]) == 40


def test_a_service_with_a_changed_file_is_never_ready(stage: Stage, files: Path) -> None:
    """So that a rollout which brings one stops, and the old pods go on; its log says why."""
    with (files / "migrations" / "0001-schema.sql").open("a") as file:
        file.write("-- changed\n")
    where = {"MIGRATIONS_DIR": str(files / "migrations"), "SEEDS_DIR": str(files / "seeds")}
    with stage.spawn("catalog", stage.spare_host(), **where) as catalog:
        until = time.monotonic() + 60
        while "migration-refused" not in catalog.log.read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert play(lambda visit: visit("GET", f"{catalog.url}/readyz")).status == 503
        assert play(lambda visit: visit("GET", f"{catalog.url}/healthz")).status == 200
    assert "0001-schema.sql was changed" in catalog.log.read_text()


def test_large_data_comes_on_top_within_seconds(stage: Stage, empty: str, files: Path) -> None:
    """100,000 customers, 5,000 registries, 2,000 products; reserved addresses, and no mail for any of it.

    A busy machine takes its time; that there is an end to it is for the guard of each migration here.
    """
    shutil.copy(LARGE, files / "seeds")
    assert _migrate(stage, empty, files)[0] == 0
    counts = (
        "select (select count(*) from customers), (select count(*) from registries), (select count(*) from products)"
    )
    assert _ask(empty, counts) == [(100_000, 5_000, 2_000)]
    addresses = "select email from customers union select email from orders union select email from members"
    assert _ask(empty, f"select count(*) from ({addresses}) as a where email not like '%@shop.example'") == [(0,)]
    assert _ask(empty, "select count(*) from outbox") == [(0,)]
    assert _ask(empty, "select count(*), min(deal_cents) > 0 from deals") == [(6, True)]
