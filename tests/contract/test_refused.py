"""What a real cluster serves and the embedded one does not: by request, each refused by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE
from tests.contract.manifests import WAIT, container, pod, serve, service
from tests.contract.running import mount, ready, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.clusters import Answer, Cluster

APPLY = "application/apply-patch+yaml"
LABELS = {"app": "one"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [container(WAIT)]}}
WORKLOAD = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
JOB = {"template": {"spec": {"restartPolicy": "Never", "containers": [container(WAIT)]}}}
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}


def by_name(answer: Answer, code: int, what: str) -> None:
    """The answer is a Status with this code that names what is not served, and the next step."""
    said = answer.json
    assert (answer.status, said["kind"], said["status"], said["code"]) == (code, "Status", "Failure", code)
    assert said["message"].startswith(what)
    assert said["message"].endswith("not served by the embedded cluster; run this on kind or another real cluster")


def served(cluster: Cluster, path: str, body: dict[str, Any], what: str) -> None:
    """On a real cluster the object can be made (a dry run makes none); the embedded one says what it does not serve."""
    answer = cluster.call("POST", path, {"metadata": {"name": "one"}, **body}, query={"dryRun": "All"})
    if cluster.embedded:
        by_name(answer, 404, what)
    else:
        assert answer.status == 201, answer.data


@behaviour("Server-side apply makes and changes an object", area="refused", refused="415")
def test_server_side_apply(cluster: Cluster, namespace: str) -> None:
    """A PATCH of an object that is not there yet; here none is made."""
    path = cluster.path("configmaps", namespace, "one")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "b"}}
    answer = cluster.call("PATCH", path, body, kind=APPLY, query={"fieldManager": "contract"})
    if cluster.embedded:
        by_name(answer, 415, "server-side apply")
        assert cluster.call("GET", path).status == 404
        return
    assert answer.status == 201
    assert cluster.read(path)["data"] == {"a": "b"}


@pytest.mark.parametrize("part", ["portforward", "attach"])
@behaviour("Port-forward and attach speak with a running pod", area="refused", refused="501")
def test_streams(cluster: Cluster, namespace: str, part: str) -> None:
    """A request that does not ask for an upgrade is told to."""
    run(cluster, namespace, pod("one", container(WAIT)), ready)
    answer = cluster.call("POST", f"{cluster.path('pods', namespace, 'one')}/{part}")
    if cluster.embedded:
        by_name(answer, 501, f"pods/{part}")
        return
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "pgrade" in answer.json["message"]


@behaviour("The API leads to pods, Services and nodes by their proxy", area="refused", refused="501; of nodes 501 too")
def test_proxies(cluster: Cluster, namespace: str) -> None:
    """A pod's server and a node's kubelet, asked through the API server."""
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    cluster.create(cluster.path("services", namespace), service("one"))
    seen = run(cluster, namespace, pod("one", container(serve(), readinessProbe=probe)), ready)
    cluster.until(cluster.path("endpoints", namespace, "one"), lambda e: any("addresses" in s for s in e["subsets"]))
    at = {
        "pods": cluster.path("pods", namespace, "one:8080"),
        "services": cluster.path("services", namespace, "one:http"),
        "nodes": f"/api/v1/nodes/{seen['spec']['nodeName']}",
    }
    for kind, path in at.items():
        answer = cluster.call("GET", f"{path}/proxy/" + ("healthz" if kind == "nodes" else ""))
        if cluster.embedded:
            by_name(answer, 501, f"{kind}/proxy")
        else:
            assert (answer.status, answer.data) == (200, b"ok" if kind == "nodes" else b"hello")


@behaviour("A token can be asked for in a service account's name", area="refused", refused="501")
def test_tokens(cluster: Cluster, namespace: str) -> None:
    """By its subresource `token`."""
    path = f"{cluster.path('serviceaccounts', namespace, 'default')}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = cluster.call("POST", path, body)
    if cluster.embedded:
        by_name(answer, 501, "serviceaccounts/token")
        return
    assert answer.status == 201
    assert answer.json["status"]["token"]


@behaviour("A pod is bound to a node by its subresource", area="refused", refused="501")
def test_bindings(cluster: Cluster, namespace: str) -> None:
    """As a scheduler does; this pod waits for one of another name, which is not there."""
    node = cluster.read("/api/v1/nodes")["items"][0]["metadata"]["name"]
    cluster.create(cluster.path("pods", namespace), pod("one", container(WAIT), schedulerName="by-hand"))
    path = cluster.path("pods", namespace, "one")
    body = {"metadata": {"name": "one"}, "target": {"kind": "Node", "name": node}}
    answer = cluster.call("POST", f"{path}/binding", body)
    if cluster.embedded:
        by_name(answer, 501, "pods/binding")
        return
    assert answer.status == 201
    assert cluster.read(path)["spec"]["nodeName"] == node


@pytest.fixture
def node(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The path of a node made by hand, without a kubelet."""
    taint = {"key": "by-hand", "effect": "NoSchedule"}
    cluster.create("/api/v1/nodes", {"metadata": {"name": namespace}, "spec": {"taints": [taint]}})
    yield f"/api/v1/nodes/{namespace}"
    cluster.call("DELETE", f"/api/v1/nodes/{namespace}")


@behaviour("A node is cordoned by a change of its spec", area="refused", refused="501")
def test_cordon(cluster: Cluster, node: str) -> None:
    """Here it stays as it was."""
    answer = cluster.call("PATCH", node, {"spec": {"unschedulable": True}}, kind=MERGE)
    if cluster.embedded:
        by_name(answer, 501, "cordon and drain")
    else:
        assert answer.status == 200
    assert cluster.read(node)["spec"].get("unschedulable", False) is not cluster.embedded


@behaviour("CustomResourceDefinitions are served", area="refused", refused="404")
def test_custom_resource_definitions(cluster: Cluster) -> None:
    """In apiextensions.k8s.io/v1."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    spec = {"group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": {"plural": "ones", "singular": "one", "kind": "One"}}  # fmt: skip
    body = {"metadata": {"name": "ones.example.com"}, "spec": spec}
    served(cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body, "customresourcedefinitions")


@pytest.mark.parametrize(
    ("resource", "body"),
    [("roles", {"rules": RULES}), ("clusterroles", {"rules": RULES}), ("rolebindings", {"roleRef": ROLE}),
     ("clusterrolebindings", {"roleRef": ROLE})],
)  # fmt: skip
@behaviour("Roles and their bindings are served", area="refused", refused="404")
def test_roles(cluster: Cluster, namespace: str, resource: str, body: dict[str, Any]) -> None:
    """RBAC, in rbac.authorization.k8s.io/v1."""
    place = "" if resource.startswith("cluster") else f"/namespaces/{namespace}"
    served(cluster, f"/apis/rbac.authorization.k8s.io/v1{place}/{resource}", body, resource)


@behaviour("Persistent volumes and claims to them are served", area="refused", refused="404")
def test_persistent_volumes(cluster: Cluster, namespace: str) -> None:
    """A volume and a claim."""
    size, modes = {"storage": "1Mi"}, ["ReadWriteOnce"]
    volume = {"capacity": size, "accessModes": modes, "hostPath": {"path": "/nowhere"}}
    served(cluster, "/api/v1/persistentvolumes", {"spec": volume}, "persistentvolumes")
    claim = {"accessModes": modes, "resources": {"requests": size}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    served(cluster, path, {"spec": claim}, "persistentvolumeclaims")


@behaviour("Horizontal autoscalers are served", area="refused", refused="404")
def test_autoscalers(cluster: Cluster, namespace: str) -> None:
    """In autoscaling/v1, which old and new clusters have."""
    spec = {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "one"}}
    path = f"/apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers"
    served(cluster, path, {"spec": spec}, "horizontalpodautoscalers")


@behaviour("Ingresses are served", area="refused", refused="404")
def test_ingresses(cluster: Cluster, namespace: str) -> None:
    """In networking.k8s.io/v1."""
    spec = {"defaultBackend": {"service": {"name": "one", "port": {"number": 80}}}}
    served(cluster, f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", {"spec": spec}, "ingresses")


@pytest.mark.parametrize(("resource", "more"), [("statefulsets", {"serviceName": "one"}), ("daemonsets", {})])
@behaviour("StatefulSets and DaemonSets are served", area="refused", refused="404")
def test_other_workloads(cluster: Cluster, namespace: str, resource: str, more: dict[str, Any]) -> None:
    """In apps/v1, as Deployments are."""
    path = f"/apis/apps/v1/namespaces/{namespace}/{resource}"
    served(cluster, path, {"spec": {**WORKLOAD, **more}}, resource)


@behaviour("Jobs are served", area="refused", refused="404")
def test_jobs(cluster: Cluster, namespace: str) -> None:
    """In batch/v1."""
    served(cluster, f"/apis/batch/v1/namespaces/{namespace}/jobs", {"spec": JOB}, "jobs")


@behaviour("CronJobs are served in batch/v1", area="refused", refused="404", since="1.21")
def test_cron_jobs(cluster: Cluster, namespace: str) -> None:
    """Before 1.21 in batch/v1beta1."""
    spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": JOB}}
    served(cluster, f"/apis/batch/v1/namespaces/{namespace}/cronjobs", {"spec": spec}, "cronjobs")


# --- parts of a pod


def part(cluster: Cluster, namespace: str, field: str, what: str, main: dict[str, Any], **spec: Any) -> None:
    """On a real cluster such a pod can be made (a dry run makes none), on the embedded one it is a 422 on the field."""
    answer = cluster.call("POST", cluster.path("pods", namespace), pod("one", main, **spec), query={"dryRun": "All"})
    if not cluster.embedded:
        assert answer.status == 201, answer.data
        return
    assert (answer.status, answer.reason) == (422, "Invalid")
    (cause,) = answer.json["details"]["causes"]
    assert (cause["field"], cause["reason"]) == (field, "FieldValueForbidden")
    assert cause["message"] == f"Forbidden: {what} are not served by the embedded cluster"


@pytest.mark.parametrize(
    ("kind", "source"),
    [("hostPath", {"path": "/tmp"}), ("persistentVolumeClaim", {"claimName": "one"}),
     ("nfs", {"server": "192.0.2.1", "path": "/"}), ("csi", {"driver": "example.com"})],
)  # fmt: skip
@behaviour("A pod may have volumes of a host's, of claims, of networks", area="refused",
           refused="422: emptyDir, configMap, secret, downwardAPI and projected are all there is")  # fmt: skip
def test_other_volumes(cluster: Cluster, namespace: str, kind: str, source: dict[str, str]) -> None:
    """Four of the kinds; the page lists all."""
    volumes = [{"name": "v", kind: source}]
    part(cluster, namespace, f"spec.volumes[0].{kind}", f"{kind} volumes", container(WAIT), volumes=volumes)


@behaviour("An init container with restartPolicy Always is a sidecar", area="refused", refused="422", since="1.29")
def test_sidecars(cluster: Cluster, namespace: str) -> None:
    """Older versions drop the field, and wait for the end of the container."""
    init = [container(WAIT, "side", restartPolicy="Always")]
    what = "sidecars (containers with a restart policy of their own)"
    part(cluster, namespace, "spec.initContainers[0].restartPolicy", what, container(WAIT), initContainers=init)


@behaviour("A probe may be a gRPC health check", area="refused", refused="422", since="1.24")
def test_grpc_probes(cluster: Cluster, namespace: str) -> None:
    """Older versions do not know the handler."""
    main = container(WAIT, livenessProbe={"grpc": {"port": 8080}})
    part(cluster, namespace, "spec.containers[0].livenessProbe.grpc", "gRPC probes", main)


@behaviour("A mountPath may have '..' in it", area="refused", refused="422: a pod's files are a folder of the user's")
def test_paths_upward(cluster: Cluster, namespace: str) -> None:
    """It means what it means within the container."""
    main = container(WAIT, volumeMounts=[mount("/a/../x", "v")])
    where = "spec.containers[0].volumeMounts[0].mountPath"
    volumes = [{"name": "v", "emptyDir": {}}]
    part(cluster, namespace, where, "mount paths with '..'", main, volumes=volumes)
