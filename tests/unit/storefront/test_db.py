"""The database's entrypoint."""

import os
import shutil
import signal
import time
from pathlib import Path

import psycopg
import pytest

from .stage import Process, Stage


@pytest.fixture(scope="module")
def scripts(stage: Stage) -> Path:
    """A folder with one init script: 40 things."""
    folder = stage.folder / "scripts"
    folder.mkdir(exist_ok=True)
    (folder / "things.sql").write_text(
        "create table things (id integer); insert into things select generate_series(1, 40);"
    )
    return folder


def _query(host: str, sql: str, password: str = "pw") -> object:
    dsn = f"host={host} user=shop password={password} dbname=shop connect_timeout=20"
    with psycopg.connect(dsn) as connection:
        row = connection.execute(sql.encode()).fetchone()
        return row[0] if row else None


def _start(stage: Stage, pgdata: Path, host: str, **more: str) -> Process:
    """Start a database beside the stage's own, and wait until it answers or has ended."""
    process = stage.spawn("db", host, PGDATA=str(pgdata), **more)
    until = time.monotonic() + 60
    while process.popen.poll() is None and time.monotonic() < until:
        try:
            _query(host, "select 1")
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            break
    return process


@pytest.mark.usefixtures("only_the_seed")
def test_the_seed_is_what_the_contract_says(stage: Stage) -> None:
    """200 customers, French for even numbers; 40 products; registry n is customer n's."""
    assert stage.query("select count(*), count(*) filter (where lang = 'fr') from customers") == [(200, 100)]
    assert stage.query("select min(id), max(id), count(*), count(distinct name_en) from products") == [
        ("p001", "p040", 40, 40)
    ]
    assert stage.query("select count(*) from registries where owner_id = substr(id, 2)::integer") == [(20,)]


def test_only_the_password_opens_it(stage: Stage) -> None:
    """A wrong password is refused, nobody is trusted, and there is no way in beside TCP."""
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        _query(stage.host("db"), "select 1", password="wrong")
    assert stage.query("select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
    assert stage.query("show unix_socket_directories") == [("",)]
    assert stage.query("show listen_addresses") == [(stage.host("db"),)]


def test_data_survives_a_kill(stage: Stage, scripts: Path) -> None:
    """What was committed is there after SIGKILL and a new start, which does not initialise again."""
    pgdata, host = stage.folder / "killed", stage.spare_host()
    with _start(stage, pgdata, host, INITDB_DIR=str(scripts)) as database:
        assert _query(host, "insert into things values (999) returning id") == 999
        database.stop(signal.SIGKILL)
    with _start(stage, pgdata, host, INITDB_DIR=str(scripts)):
        assert _query(host, "select count(*) from things") == 41


def test_a_data_folder_below_a_closed_one_is_reached(stage: Stage, scripts: Path) -> None:
    """PGDATA under a folder that only its owner may enter works, and the folder stays closed."""
    closed, host = stage.folder / "closed", stage.spare_host()
    closed.mkdir(mode=0o700)
    for _ in range(2):
        with _start(stage, closed / "pod" / "data", host, INITDB_DIR=str(scripts)) as database:
            assert _query(host, "select count(*) from things") == 40
        assert database.popen.returncode == 0
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="others reach their own files")
def test_programs_out_of_reach_are_copied_once(stage: Stage) -> None:
    """When the account cannot reach the installation it runs a copy, whole, ours, and made once."""
    from gameday.storefront.db import binaries
    from gameday.storefront.db.account import Account

    stranger = Account(65534, 65534)
    original = stage.folder / "original" / "pginstall"
    original.parent.mkdir(mode=0o700)
    (original / "bin").mkdir(parents=True)
    (original / "bin" / "postgres").write_text("")
    cache = stage.folder / "cache"
    assert not stranger.reaches(original / "bin")
    os.environ["GAMEDAY_PG_CACHE"] = str(cache)
    try:
        copies = [binaries._cached_copy(original) for _ in range(2)]
        assert copies[0] == copies[1]
        assert stranger.reaches(copies[0] / "bin")
        assert [path.name for path in cache.iterdir()] == [copies[0].name]
        copies[0].chmod(0o777)
        with pytest.raises(Exception, match="only we can write to"):
            binaries._cached_copy(original)
    finally:
        del os.environ["GAMEDAY_PG_CACHE"]
        shutil.rmtree(cache)


def test_a_first_start_that_was_killed_begins_anew(stage: Stage, scripts: Path) -> None:
    """Killed half-way through its first start, which does not end before, the database is complete after the next."""
    slow, pgdata, host = stage.folder / "slow-scripts", stage.folder / "interrupted", stage.spare_host()
    shutil.copytree(scripts, slow)
    (slow / "z-slow.sql").write_text("select pg_sleep(50);\n")
    process = stage.spawn("db", host, PGDATA=str(pgdata), INITDB_DIR=str(slow))
    while not (pgdata / ".initialising" / "PG_VERSION").exists():
        assert process.popen.poll() is None
        time.sleep(0.005)
    process.stop(signal.SIGKILL)
    with _start(stage, pgdata, host, INITDB_DIR=str(scripts)):
        assert _query(host, "select count(*) from things") == 40


def test_a_bad_script_ends_the_first_start_in_one_line(stage: Stage, scripts: Path) -> None:
    """An error in an init script is named, with its file, and no half-made database is left to be found."""
    bad, pgdata, host = stage.folder / "bad-scripts", stage.folder / "bad", stage.spare_host()
    shutil.copytree(scripts, bad)
    (bad / "z-bad.sql").write_text("select nothing from nowhere;\n")
    with _start(stage, pgdata, host, INITDB_DIR=str(bad)) as database:
        assert database.popen.wait(20) == 1
    said = database.log.read_text()
    assert "z-bad.sql" in said
    assert "nowhere" in said
    assert "Traceback" not in said
    assert not (pgdata / "PG_VERSION").exists()


def test_somebody_elses_folder_is_left_alone(stage: Stage) -> None:
    """A PGDATA that holds other files is refused and not touched."""
    pgdata = stage.folder / "other"
    pgdata.mkdir()
    (pgdata / "thesis.txt").write_text("years of work")
    with _start(stage, pgdata, stage.spare_host()) as database:
        assert database.popen.wait(20) == 1
    assert "thesis.txt" in database.log.read_text()
    assert (pgdata / "thesis.txt").read_text() == "years of work"
