"""Record what the game day, kubectl and the Python clients send to an embedded cluster.

    python -m tests.contract.recording

writes `recorded.json` beside this file: by client, the kinds of its requests.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from gameday import cluster
from gameday.cluster.certificates import make_certificates
from tests.contract.recording import RECORDED
from tests.contract.recording.proxy import Recorder

if TYPE_CHECKING:
    from gameday.cluster import Running

_CONTRACT = Path(__file__).parents[1]


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "--quiet", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments]


def commands(running: Running, reports: Path) -> dict[str, list[str]]:
    """What to run, by the client that it shows."""
    clients, there = _CONTRACT / "clients", ("--cluster", str(running.kubeconfig))
    return {
        "gameday": [
            sys.executable,
            "-c",
            "from gameday.cli import main; main()",
            "run",
            "--context",
            running.context,
            "--report",
            str(reports),
        ],
        "kubectl": _pytest(*map(str, sorted(clients.glob("test_kubectl_*.py"))), *there),
        "kubernetes": _pytest(str(clients / "test_python_client.py"), *there),
        "chaostoolkit-kubernetes": _pytest(*map(str, clients.glob("test_toolkit_*.py")), *there),
    }


class RecordingError(Exception):
    """A client failed, so that what it sent is no record of it."""


async def record(chosen: list[str]) -> dict[str, list[str]]:
    """Run all, or those chosen, one after the other; what each sent. Raises RecordingError when one fails."""
    running = cluster.start(f"recording-{os.getpid()}", owned=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            recorder, server = await _between(running, Path(scratch))
            async with server:
                for client, argv in commands(running, Path(scratch, "reports")).items():
                    if not chosen or client in chosen:
                        recorder.client = client
                        await _run(argv, running, client)
        return {client: [str(kind) for kind in sorted(kinds)] for client, kinds in sorted(recorder.seen.items())}
    finally:
        running.stop()


async def _between(running: Running, scratch: Path) -> tuple[Recorder, asyncio.Server]:
    """Put a recorder before a cluster: its kubeconfig leads there from now on."""
    settings: dict[str, Any] = yaml.safe_load(running.kubeconfig.read_text())
    (entry,) = (one["cluster"] for one in settings["clusters"])
    url = urlsplit(entry["server"])
    trust = ssl.create_default_context(cadata=base64.b64decode(entry["certificate-authority-data"]).decode())
    own = make_certificates(scratch, ["127.0.0.1"])
    recorder = Recorder((str(url.hostname), int(url.port or 443)), trust)
    server, port = await recorder.start(own.server)
    entry["server"] = f"https://127.0.0.1:{port}"
    entry["certificate-authority-data"] = base64.b64encode(own.ca_pem.encode()).decode()
    running.kubeconfig.write_text(yaml.safe_dump(settings))
    return recorder, server


async def _run(argv: list[str], running: Running, client: str) -> None:
    """Run a program to its end, which must be a good one."""
    environment = {**os.environ, "KUBECONFIG": str(running.kubeconfig)}
    process = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=sys.stderr)
    if code := await process.wait():
        raise RecordingError(f"{client}: ended with code {code}; nothing is written: mend it and record again")


def main() -> int:
    """Record those named on the command line, or all; the others' records stay."""
    chosen = sys.argv[1:]
    kept: dict[str, list[str]] = json.loads(RECORDED.read_text()) if chosen and RECORDED.exists() else {}
    try:
        made = kept | asyncio.run(record(chosen))
    except RecordingError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    RECORDED.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
