"""An embedded cluster of a test's own, and this project's kubectl."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gameday.cluster import Running, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: gameday/storefront:dev
        command: [python, -m, http.server, --bind, $(POD_IP), "8080"]
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"""


@contextmanager
def cluster(name: str = "e2e") -> Iterator[Running]:
    """An owned cluster, ended at the end."""
    running = start(name, owned=True, timeout_s=30)
    try:
        yield running
    finally:
        running.stop()


def kubectl(running: Running, *args: str, text: str | None = None) -> str:
    """Run kubectl against it; returns what it printed."""
    command = ["kubectl", f"--kubeconfig={running.kubeconfig}", *args]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def deploy(running: Running) -> None:
    """Put the test's Deployment there and wait for it."""
    kubectl(running, "apply", "-f", "-", text=DEPLOYMENT)
    kubectl(running, "rollout", "status", "deployment/web", "--timeout=30s")


def await_true(condition: Callable[[], Any], within_s: float) -> None:
    """Wait for something that the kernel or another process does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)
