"""A kube-apiserver of one's own, of the real Kubernetes at hand, with the admission that a test wants.

No nodes, no pods that run; the shared cluster's own server stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.realkube import STATE
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HYPERKUBE = STATE / "bin" / "hyperkube"
_TOKEN = "only-on-this-loopback"  # of a server that lives for seconds
_START_S = 60


@dataclass(frozen=True)
class ApiServer:
    """A server that answers on the loopback; `post` sends JSON as its administrator."""

    base: str

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the answer."""
        return self._send("POST", path, json.dumps(body).encode())

    def ready(self) -> bool:
        """Whether it takes requests."""
        try:
            return self._send("GET", "/api/v1/namespaces/default", None)[0] == 200
        except OSError:
            return False

    def _send(self, method: str, path: str, data: bytes | None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it signed its certificate itself
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, json.load(answer)


@contextlib.contextmanager
def api_server(folder: Path, *admission: str) -> Iterator[ApiServer]:
    """Start etcd and the server, its files below `folder`, with these admission plugins; end both."""
    store, peer, port = free_ports("127.0.0.1", 3)
    (folder / "tokens").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", folder / "key", "2048"], check=True, capture_output=True)
    etcd = ["etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    etcd += [f"--listen-client-urls=http://127.0.0.1:{store}", f"--advertise-client-urls=http://127.0.0.1:{store}"]
    etcd += [f"--listen-peer-urls=http://127.0.0.1:{peer}"]
    server = [str(HYPERKUBE), "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{store}", f"--secure-port={port}"]
    server += ["--bind-address=127.0.0.1", f"--cert-dir={folder / 'certs'}", "--service-cluster-ip-range=198.19.0.0/24"]
    server += [f"--service-account-key-file={folder / 'key'}", f"--service-account-signing-key-file={folder / 'key'}"]
    server += ["--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={folder / 'tokens'}"]
    server += ["--authorization-mode=RBAC", f"--enable-admission-plugins={','.join(admission)}"]
    server += ["--disable-admission-plugins=ServiceAccount"]  # no controller makes accounts here
    with _running(etcd, folder / "etcd.log"), _running(server, folder / "apiserver.log") as process:
        made = ApiServer(f"https://127.0.0.1:{port}")
        _await_ready(made, process, folder / "apiserver.log")
        yield made


def _await_ready(server: ApiServer, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while not server.ready():
        told = log.read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"kube-apiserver ended with {process.returncode}: {told}"
        assert time.monotonic() < until, f"kube-apiserver is not ready after {_START_S} s: {told}"
        time.sleep(0.2)


@contextlib.contextmanager
def _running(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
