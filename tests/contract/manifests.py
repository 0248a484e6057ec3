"""Small manifests that mean the same on every cluster: their pods run Python from the storefront's image."""

from __future__ import annotations

import textwrap
from typing import Any

__all__ = ["IMAGE", "WAIT", "container", "deployment", "pod", "serve", "service"]

IMAGE = "gameday/storefront:dev"
"""The pods' image; `--image` says another before any test is imported. It needs Python, a shell and coreutils."""
WAIT = ["sleep", "600"]
"""Does nothing. As process 1 of a container it does not hear SIGTERM: its pod ends when its grace is over."""

_POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def serve(body: str = "self.answer(200, 'hello')") -> list[str]:
    """A command that serves HTTP on port 8080 of its pod; `body` is what do_GET does.

    `self.answer(status, text)` answers; SIGTERM ends it at once, with code 0.
    """
    program = f"""
    import http.server, os, signal, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, text):
            self.send_response(status); self.send_header("Content-Length", str(len(text.encode()))); self.end_headers()
            self.wfile.write(text.encode())
        def log_message(self, *_): pass
        def do_GET(self):
{textwrap.indent(textwrap.dedent(body), " " * 12)}
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
    """
    return ["python3", "-c", textwrap.dedent(program)]


def container(command: list[str], name: str = "main", **fields: Any) -> dict[str, Any]:
    """A container of the storefront's image that knows its pod's address."""
    env = [_POD_IP, *fields.pop("env", [])]
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": command, "env": env, **fields}


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod that is given one second to end."""
    return {
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec},
    }


def deployment(name: str, *containers: dict[str, Any], replicas: int = 1, **spec: Any) -> dict[str, Any]:
    """A Deployment of such pods, selected by app=<name>; `pod_` fields go to the pods' spec."""
    of_pod = {k.removeprefix("pod_"): spec.pop(k) for k in list(spec) if k.startswith("pod_")}
    made = pod(name, *containers, **of_pod)
    template = {"metadata": {"labels": made["metadata"]["labels"]}, "spec": made["spec"]}
    selector = {"matchLabels": made["metadata"]["labels"]}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": selector, "template": template, **spec},
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    """A Service on port 80 for the pods with app=<name>, to their port 8080."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}
