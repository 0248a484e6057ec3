"""`gameday preflight` on a real Kubernetes, by somebody who may do little there."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.runs import GAMEDAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.realkube import RealKube

pytestmark = [pytest.mark.realkube, pytest.mark.timeout(1200)]
NEWCOMER = "newcomer"


@pytest.fixture
def namespace(real_cluster: RealKube) -> Iterator[str]:
    """One that takes part, with a service account that may do nothing."""
    name = f"preflight-{uuid.uuid4().hex[:8]}"
    real_cluster.kubectl("create", "namespace", name)
    try:
        real_cluster.kubectl("label", "namespace", name, "gameday.dev/allowed=true")
        real_cluster.kubectl("create", "serviceaccount", NEWCOMER, "-n", name)
        yield name
    finally:
        real_cluster.kubectl("delete", "namespace", name, "--wait=false")


def preflight(cluster: RealKube, kubeconfig: str, *words: str) -> tuple[int, list[str]]:
    """Run it beside the cluster, with that kubeconfig ("" for the administrator's): exit code and lines."""
    with_it = ["env", f"KUBECONFIG={kubeconfig}"] if kubeconfig else []
    argv = [cluster.tool.command, "exec", *with_it, GAMEDAY, "preflight", *words]
    done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout.splitlines()


def kubeconfig_of(cluster: RealKube, namespace: str, folder: Path) -> str:
    """A kubeconfig by the service account's token, which the cluster's controller makes."""

    def secrets() -> list[dict[str, str]]:
        items = json.loads(cluster.kubectl("get", "secrets", "-n", namespace, "-o", "json"))["items"]
        return [one["data"] for one in items if one["metadata"]["name"].startswith(f"{NEWCOMER}-token-")]

    assert wait_until(lambda: secrets() != [], 30, every_s=0.5)
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": base64.b64decode(secrets()[0]["token"]).decode()}
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


def test_an_administrator_lacks_nothing(real_cluster: RealKube) -> None:
    """Every right is granted, images are on the node; whether NetworkPolicies are enforced nobody can tell."""
    told = ("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names}")
    assert wait_until(lambda: "gameday/storefront:dev" in real_cluster.kubectl(*told), 120, every_s=1)
    code, lines = preflight(real_cluster, "", "--context", "realkube")
    assert (code, lines[-1]) == (0, "gameday: ready"), lines
    for start in (
        "ok       Kubernetes: v1.20",
        "ok       rights: all ",
        "ok       nodes: 1 ready",
        "ok       APIs: v1, apps/v1",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert any(line.startswith("note     NetworkPolicy: ") for line in lines)
    code, lines = preflight(real_cluster, "", "--context", "realkube", "--image", "registry.invalid/shop:1")
    assert code == 0
    assert any(line.startswith("note     images: ") and "registry.invalid/shop:1" in line for line in lines)


def test_rights_that_are_missing_are_granted_by_what_is_pasted(
    real_cluster: RealKube, namespace: str, tmp_path: Path
) -> None:
    """Somebody who may do nothing is told each right, and how an administrator grants it; then none is missing."""
    kubeconfig = kubeconfig_of(real_cluster, namespace, tmp_path)
    argv = ["--context", "realkube", "--namespace", namespace]
    code, lines = preflight(real_cluster, kubeconfig, *argv)
    missing = [line for line in lines if line.startswith("missing  right to ")]
    assert code == 2, lines
    assert {line.split()[3].rstrip(":") for line in missing} >= {
        "deployments.apps",
        "secrets",
        "pods/log",
        "namespaces",
    }
    user = f"system:serviceaccount:{namespace}:{NEWCOMER}"
    for line in missing:
        for command in line.rpartition("an administrator grants it: ")[2].split(" && "):
            pasted = command.replace("ADMIN", "realkube").replace("YOU", user)
            real_cluster.kubectl(*shlex.split(pasted)[1:])
    _, lines = preflight(real_cluster, kubeconfig, *argv)
    assert not [line for line in lines if "right to" in line], lines
    assert any(line.startswith("ok       rights: all ") for line in lines)
    assert any(line.startswith("note     nodes: cannot be told: the API answered 403") for line in lines)
    assert any(line.startswith("missing  storefront: no Deployment edge") for line in lines)
