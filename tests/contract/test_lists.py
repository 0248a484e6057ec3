"""Lists: selectors by label and by field, paging, and rows for who wants to print them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import IMAGE, WAIT, container, deployment, pod, service

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

LABELS = {"a": {"app": "x", "tier": "front"}, "b": {"app": "y", "tier": "back"}, "c": {"app": "z"}, "d": {}}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
"""What kubectl accepts."""


@pytest.fixture
def path(cluster: Cluster, namespace: str) -> str:
    """Four ConfigMaps, a to d, with labels; more of them may be there."""
    found = cluster.path("configmaps", namespace)
    for name, labels in LABELS.items():
        cluster.create(found, {"metadata": {"name": name, "labels": {**labels, "ours": "yes"}}})
    return found


def listed(cluster: Cluster, path: str, **query: Any) -> list[str]:
    """The names of a list's items, in its order."""
    answer = cluster.call("GET", path, query=query)
    assert answer.status == 200, answer.data
    return [one["metadata"]["name"] for one in answer.json["items"]]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=x", "a"),
        ("app==x", "a"),
        ("app!=x", "bcd"),
        ("app in (x,y)", "ab"),
        ("app in ( x )", "a"),
        ("app notin (x, y)", "cd"),
        ("tier", "ab"),
        ("!tier", "cd"),
        ("tier,app!=x", "b"),
        ("app=x,app=y", ""),
        ("app=", ""),
    ],
)
@behaviour("A label selector chooses by equality, by set and by presence; commas mean and", area="lists")
def test_label_selectors(cluster: Cluster, path: str, selector: str, names: str) -> None:
    """URL-encoded, as every client sends it; what lacks a label satisfies != and notin."""
    assert listed(cluster, path, labelSelector=f"ours,{selector}") == list(names)


@pytest.mark.parametrize("selector", ["app in x", "app in (x", "=x", "app=x y", "-app=x", "app=a/b"])
@behaviour("A label selector that does not parse answers 400", area="lists")
def test_a_broken_label_selector(cluster: Cluster, path: str, selector: str) -> None:
    """Nothing is listed by mistake."""
    answer = cluster.call("GET", path, query={"labelSelector": selector})
    assert (answer.status, answer.reason) == (400, "BadRequest")


@behaviour("A field selector chooses by metadata.name and metadata.namespace", area="lists")
def test_field_selectors(cluster: Cluster, namespace: str, path: str) -> None:
    """With = and !=, in a namespace and over all of them."""
    assert listed(cluster, path, fieldSelector="metadata.name=b") == ["b"]
    assert listed(cluster, path, fieldSelector="metadata.name!=b", labelSelector="ours") == ["a", "c", "d"]
    everywhere = cluster.path("configmaps")
    assert listed(cluster, everywhere, fieldSelector=f"metadata.namespace={namespace}", labelSelector="app=x") == ["a"]
    assert listed(cluster, everywhere, fieldSelector=f"metadata.name=c,metadata.namespace={namespace}") == ["c"]


@behaviour("A field selector with another field answers 400 and names it", area="lists")
def test_an_unknown_field_selector(cluster: Cluster, path: str) -> None:
    """Few fields can be selected by."""
    answer = cluster.call("GET", path, query={"fieldSelector": "spec.nodeName=x"})
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "spec.nodeName" in answer.json["message"]
    assert cluster.call("GET", path, query={"fieldSelector": "nonsense"}).status == 400


@behaviour("A list's items have no kind of their own; the list has, and a resourceVersion", area="lists")
def test_a_lists_shape(cluster: Cluster, path: str) -> None:
    """From its resourceVersion a watch can go on."""
    found = cluster.read(path)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert found["metadata"]["resourceVersion"].isdecimal()
    assert all("kind" not in one and "apiVersion" not in one for one in found["items"])


@behaviour("A list of a namespace that does not exist is empty", area="lists")
def test_a_list_of_nothing(cluster: Cluster) -> None:
    """No 404: nothing is there."""
    answer = cluster.call("GET", cluster.path("configmaps", "no-such-namespace"))
    assert (answer.status, answer.json["items"]) == (200, [])


@behaviour("A list comes in pages when a limit is set, each with a token for the next", area="lists")
def test_pages(cluster: Cluster, path: str) -> None:
    """The pages are of one resourceVersion: what is created meanwhile is not in them."""
    first = cluster.call("GET", path, query={"limit": 2}).json
    assert [one["metadata"]["name"] for one in first["items"]] == ["a", "b"]
    cluster.create(path, {"metadata": {"name": "bb"}})
    query = {"limit": 2, "continue": first["metadata"]["continue"]}
    second = cluster.call("GET", path, query=query).json
    assert [one["metadata"]["name"] for one in second["items"]] == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in cluster.call("GET", path, query={"limit": 500}).json["metadata"]


@behaviour("A token for a page that no list gave is refused", area="lists")
def test_a_broken_page(cluster: Cluster, path: str) -> None:
    """400 for nonsense."""
    answer = cluster.call("GET", path, query={"limit": 2, "continue": "nonsense"})
    assert (answer.status, answer.reason) == (400, "BadRequest")


@behaviour("Pods are selected by spec.nodeName and status.phase; as rows they show what kubectl prints", area="lists")
def test_pods(cluster: Cluster, namespace: str) -> None:
    """A running pod in selections, and in a table."""
    path = cluster.path("pods", namespace)
    cluster.until(cluster.path("serviceaccounts", namespace, "default"), bool)
    cluster.create(path, pod("one", container(WAIT), automountServiceAccountToken=False))
    cluster.until(f"{path}/one", lambda one: one["status"]["phase"] == "Running")
    node = cluster.read(f"{path}/one")["spec"]["nodeName"]
    assert listed(cluster, path, fieldSelector=f"spec.nodeName={node},status.phase=Running") == ["one"]
    assert listed(cluster, path, fieldSelector="status.phase!=Running") == []
    assert listed(cluster, path, fieldSelector="spec.nodeName=none") == []
    found = table(cluster, path)
    assert columns(found) == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert found["rows"][0]["cells"][:3] == ["one", "1/1", "Running"]
    assert str(found["rows"][0]["cells"][3]) == "0"
    assert columns(found, wide=True)[5:] == ["IP", "Node", "Nominated Node", "Readiness Gates"]
    assert found["rows"][0]["cells"][6] == node


def table(cluster: Cluster, path: str, **query: Any) -> dict[str, Any]:
    """A list as kubectl gets it."""
    answer = cluster.call("GET", path, headers={"Accept": TABLE}, query=query)
    found: dict[str, Any] = answer.json
    assert (answer.status, found["kind"], found["apiVersion"]) == (200, "Table", "meta.k8s.io/v1")
    return found


def columns(found: dict[str, Any], *, wide: bool = False) -> list[str]:
    """The names of a table's columns."""
    return [one["name"] for one in found["columnDefinitions"] if wide or not one["priority"]]


@behaviour("Deployments and ReplicaSets as rows show their replicas, with -o wide their images", area="lists")
def test_a_table_of_deployments(cluster: Cluster, namespace: str) -> None:
    """Names, columns and cells as kubectl prints them."""
    path = cluster.path("deployments", namespace)
    cluster.create(path, deployment("web", container(WAIT), replicas=0))
    found = table(cluster, path)
    assert columns(found) == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    assert columns(found, wide=True)[5:] == ["Containers", "Images", "Selector"]
    cells = found["rows"][0]["cells"]
    assert cells[:4] == ["web", "0/0", 0, 0]
    assert re.fullmatch(r"\d+s", cells[4])
    assert cells[5:] == ["main", IMAGE, "app=web"]
    assert columns(table(cluster, cluster.path("replicasets", namespace))) == [
        "Name", "Desired", "Current", "Ready", "Age",
    ]  # fmt: skip


@behaviour("Services as rows show type, addresses and ports", area="lists")
def test_a_table_of_services(cluster: Cluster, namespace: str) -> None:
    """Names, columns and cells as kubectl prints them."""
    path = cluster.path("services", namespace)
    made = cluster.create(path, service("web"))
    found = table(cluster, path)
    assert columns(found, wide=True) == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]
    cells = found["rows"][0]["cells"]
    assert cells[:5] == ["web", "ClusterIP", made["spec"]["clusterIP"], "<none>", "80/TCP"]
    assert cells[6] == "app=web"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("configmaps", ["Name", "Data", "Age"]),
        ("secrets", ["Name", "Type", "Data", "Age"]),
        ("serviceaccounts", ["Name", "Secrets", "Age"]),
        ("endpoints", ["Name", "Endpoints", "Age"]),
        ("leases", ["Name", "Holder", "Age"]),
        ("networkpolicies", ["Name", "Pod-Selector", "Age"]),
        ("poddisruptionbudgets", ["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]),
        ("events", ["Last Seen", "Type", "Reason", "Object", "Message"]),
    ],
)
@behaviour("Each other resource has its own columns", area="lists")
def test_other_tables(cluster: Cluster, namespace: str, resource: str, expected: list[str]) -> None:
    """Those that kubectl shows without -o wide."""
    assert columns(table(cluster, cluster.path(resource, namespace))) == expected


@behaviour("A row's object is its metadata, the whole object or nothing, as includeObject says", area="lists")
def test_a_rows_object(cluster: Cluster, path: str) -> None:
    """`kubectl get -w` and `--show-labels` read the metadata."""
    for include, kind in (("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap"), ("None", None)):
        row = table(cluster, path, includeObject=include)["rows"][0]
        assert (row.get("object") or {}).get("kind") == kind


@behaviour("One object, too, can be had as a Table", area="lists")
def test_a_table_of_one(cluster: Cluster, path: str) -> None:
    """`kubectl get cm a`."""
    found = table(cluster, f"{path}/a")
    assert [row["cells"][0] for row in found["rows"]] == ["a"]


@behaviour("Who asks for PartialObjectMetadata gets metadata alone", area="lists")
def test_metadata_alone(cluster: Cluster, path: str) -> None:
    """In a list and of one object."""
    accept = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
    one = cluster.call("GET", f"{path}/a", headers={"Accept": accept.format("")}).json
    assert (one["kind"], one["metadata"]["name"], "data" in one) == ("PartialObjectMetadata", "a", False)
    many = cluster.call("GET", path, headers={"Accept": accept.format("List")}).json
    assert many["kind"] == "PartialObjectMetadataList"
