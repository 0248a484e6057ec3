"""The first start: initdb, then the init scripts, with the server on a private socket and its TCP port closed.

Everything happens in a folder inside the data folder and is moved up at the end, PG_VERSION last: whoever finds
PG_VERSION finds a complete database, and a start that was killed half-way begins anew.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from gameday.storefront.db.account import die_with_parent

STAGING = ".initialising"
START_S = 30.0
SCRIPTS_S = 60.0
ACCESS = "local all all scram-sha-256\nhost all all all scram-sha-256\n"


class InitError(Exception):
    """The first start failed: one line that says where."""


@dataclass(frozen=True)
class Cluster:
    """What to make: the folder of PostgreSQL's programs, the superuser, the database, the server's settings."""

    programs: Path
    user: str
    password: str
    database: str
    tuning: dict[str, str]


def initialise(cluster: Cluster, data: Path, scripts: list[tuple[str, str]]) -> None:
    """Fill the folder `data`; raises InitError."""
    staging = data / STAGING
    _empty(data)
    staging.mkdir(mode=0o700)
    _initdb(cluster, staging)
    descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)
    # The path of a socket is limited to some 100 bytes: by way of the descriptor it is short wherever the data is.
    socket = f"/proc/self/fd/{descriptor}"
    server = _start(cluster, staging, socket)
    try:
        _await_ready(server, staging)
        _run_scripts(cluster, socket, scripts)
    finally:
        _stop(server)
        os.close(descriptor)
    _move_up(staging, data)


def _empty(data: Path) -> None:
    """Clear what a killed first start left; refuses to touch anything else."""
    found = [path for path in data.iterdir() if path.name != "lost+found"]
    if found and not (data / STAGING).exists():
        raise InitError(
            f"PGDATA is not empty and holds no database (it holds {found[0].name}); give it a folder of its own"
        )
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _initdb(cluster: Cluster, staging: Path) -> None:
    command = [
        str(cluster.programs / "initdb"), "-D", str(staging), "-U", cluster.user, "--pwfile", "/dev/stdin",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    for name in ("shared_buffers", "max_connections", "dynamic_shared_memory_type"):
        command += ["-c", f"{name}={cluster.tuning[name]}"]  # given, initdb does not try out what fits
    _run(command, what="initdb", timeout_s=START_S, sent=cluster.password + "\n")
    (staging / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")


def _start(cluster: Cluster, staging: Path, socket: str) -> subprocess.Popen[bytes]:
    options = cluster.tuning | {
        "listen_addresses": "",
        "unix_socket_directories": socket,
        "fsync": "off",
        "autovacuum": "off",
    }
    command = [str(cluster.programs / "postgres"), "-D", str(staging)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return subprocess.Popen(command, close_fds=False, preexec_fn=die_with_parent)  # noqa: PLW1509 - one thread


def _await_ready(server: subprocess.Popen[bytes], staging: Path) -> None:
    """Wait for the word that pg_ctl waits for too: `ready` on the eighth line of the lock file."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise InitError(f"postgres ended with {server.returncode} during the first start; its log is above")
        try:
            lines = (staging / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        if lines[7:] and lines[7].strip() == "ready":
            return
        time.sleep(0.01)
    raise InitError(f"postgres was not ready within {START_S:.0f} s of its first start")


def _run_scripts(cluster: Cluster, socket: str, scripts: list[tuple[str, str]]) -> None:
    name = '"' + cluster.database.replace('"', '""') + '"'
    steps = [] if cluster.database == "postgres" else [f"create database {name};"]
    steps.append(f"\\connect {name}")
    for script, body in scripts:
        steps.append(f"\\echo running {script}\n{body}")
    command = [
        str(cluster.programs / "psql"), "--no-psqlrc", "--quiet", "--no-password", "-v", "ON_ERROR_STOP=1",
        "-h", socket, "-U", cluster.user, "-d", "postgres", "-f", "-",
    ]  # fmt: skip
    _run(command, what="an init script", timeout_s=SCRIPTS_S, sent="\n".join(steps) + "\n", password=cluster.password)


def _run(command: list[str], *, what: str, timeout_s: float, sent: str = "", password: str = "") -> None:
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    try:
        done = subprocess.run(
            command, input=sent, text=True, capture_output=True, check=False, timeout=timeout_s, env=environment,
            close_fds=False, preexec_fn=die_with_parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InitError(f"{what} took more than {timeout_s:.0f} s") from None
    if done.returncode:
        raise InitError(f"{what} ended with {done.returncode}: {_last_words(done.stdout, done.stderr)}")


def _last_words(stdout: str, stderr: str) -> str:
    running = [line for line in stdout.splitlines() if line.startswith("running ")][-1:]
    errors = [line for line in stderr.splitlines() if "ERROR" in line or "error" in line or "FATAL" in line][:1]
    return "; ".join(running + (errors or stderr.splitlines()[-1:])) or "it said nothing"


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(START_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _move_up(staging: Path, data: Path) -> None:
    entries = sorted(staging.iterdir(), key=lambda path: path.name == "PG_VERSION")
    for path in entries:
        path.rename(data / path.name)
    staging.rmdir()
