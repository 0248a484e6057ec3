"""Run inside the real Kubernetes' network: how a port-forward fares when pods die, and when its own way fails.

    python reach_probe.py NAMESPACE       prints JSON

The API is reached through a relay of our own, so that it can be cut off without touching the cluster.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gameday import reach
from gameday.kube import Kube, connect

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Relay:
    """Carries TCP to the API server until it is cut: then it ends what is open and takes nothing more."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut everything."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            self._open += [near, far]
            threading.Thread(target=_carry, args=(near, far), daemon=True).start()


def _carry(near: socket.socket, far: socket.socket) -> None:
    try:
        while True:
            for one in select.select([near, far], [], [])[0]:
                data = one.recv(65_536)
                if not data:
                    return
                (far if one is near else near).sendall(data)
    except (OSError, ValueError):
        return
    finally:
        near.close()
        far.close()


def through(relay_to: str) -> tuple[Relay, Kube]:
    """A connection to the API of this kubeconfig by way of a relay."""
    config = yaml.safe_load(Path(relay_to).read_text())
    url = urlsplit(config["clusters"][0]["cluster"]["server"])
    relay = Relay(str(url.hostname), int(url.port or 443))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        return relay, connect(kubeconfig=file.name)


def get(url: str) -> str:
    """The status, or what went wrong instead of an answer."""
    try:
        with _direct.open(url, timeout=10) as answer:
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as answer:
        return str(answer.code)
    except OSError as problem:
        return type(getattr(problem, "reason", problem)).__name__


def await_answer(url: str, wanted: str, timeout_s: float = 60) -> str:
    """The status, once it is the one that is wanted or the time is over."""
    until = time.monotonic() + timeout_s
    while (seen := get(url)) != wanted and time.monotonic() < until:
        time.sleep(0.2)
    return seen


def main(namespace: str) -> dict[str, Any]:
    """Everything in turn."""
    os.environ["GAMEDAY_REACH"] = "port-forward"
    relay, kube = through(os.environ["KUBECONFIG"])
    troubles: list[tuple[float, float, str]] = []
    reach.on_trouble(lambda start, end, why: troubles.append((start, end, why)))
    seen: dict[str, Any] = {}
    web, nobody = (reach.service_url(kube, namespace, service) for service in ("web", "nobody"))
    seen["answers"] = get(f"{web}/healthz")
    pods = kube.core.list_namespaced_pod(namespace, label_selector="app=web").items
    for pod in pods:
        kube.core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)
    seen["after_all_pods_died"] = await_answer(f"{web}/healthz", "200")
    seen["with_no_pod_behind"] = get(f"{nobody}/")
    seen["slow_or_troubled_so_far"] = [why for _, _, why in troubles if "slow" not in why]
    began = time.time()
    relay.cut()
    seen["cut_off"] = get(f"{web}/healthz")
    seen["told"] = [why for start, end, why in troubles if start >= began - 1 and end <= time.time()]
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))  # noqa: T201
