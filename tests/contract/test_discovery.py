"""What the API says of itself: kubectl and the Python clients learn from it what they may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


def resources(cluster: Cluster, group_version: str) -> dict[str, dict[str, Any]]:
    """What a group's list says, by the resource's name."""
    found = cluster.read(group_version)
    assert found["kind"] == "APIResourceList"
    return {one["name"]: one for one in found["resources"]}


@behaviour("/version tells the major and minor version, the git version and the platform", area="discovery")
def test_the_version(cluster: Cluster) -> None:
    """Kubectl prints it, and warns when it is too far from its own."""
    said = cluster.read("/version")
    assert said["major"] == "1"
    assert said["gitVersion"].startswith(f"v1.{said['minor'].rstrip('+')}.")
    assert said["platform"].startswith("linux/")


@behaviour("/api lists v1, /apis lists each group with its preferred version", area="discovery")
def test_the_groups(cluster: Cluster) -> None:
    """The groups that a manifest may name."""
    assert cluster.read("/api")["versions"] == ["v1"]
    found = cluster.read("/apis")
    assert found["kind"] == "APIGroupList"
    groups = {one["name"]: one for one in found["groups"]}
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert {"coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "networking.k8s.io", "policy"} <= set(groups)


@behaviour("/apis/GROUP describes one group", area="discovery")
def test_a_group(cluster: Cluster) -> None:
    """As the list of groups does."""
    found = cluster.read("/apis/apps")
    assert (found["kind"], found["name"], found["preferredVersion"]["version"]) == ("APIGroup", "apps", "v1")


@behaviour("A resource's entry has its kind, scope, verbs, short names and categories", area="discovery")
def test_a_groups_resources(cluster: Cluster) -> None:
    """`kubectl get deploy`, `po`, `svc`, `all` rest on it."""
    core, apps = resources(cluster, "/api/v1"), resources(cluster, "/apis/apps/v1")
    pods = core["pods"]
    assert (pods["kind"], pods["namespaced"], pods["shortNames"], pods["categories"]) == ("Pod", True, ["po"], ["all"])
    assert set(pods["verbs"]) == {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert (core["namespaces"]["namespaced"], core["services"]["shortNames"]) == (False, ["svc"])
    assert (apps["deployments"]["shortNames"], apps["replicasets"]["shortNames"]) == (["deploy"], ["rs"])


@behaviour("Subresources are listed beside their resource, with a kind of their own", area="discovery")
def test_subresources_are_listed(cluster: Cluster) -> None:
    """`kubectl scale` looks for deployments/scale."""
    apps = resources(cluster, "/apis/apps/v1")
    scale = apps["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert set(scale["verbs"]) == {"get", "patch", "update"}
    assert set(apps["deployments/status"]["verbs"]) == {"get", "patch", "update"}
    assert resources(cluster, "/api/v1")["pods/log"]["verbs"] == ["get"]


@behaviour("/openapi/v3 lists a document for each group and version", area="discovery", since="1.24")
def test_open_api_is_listed(cluster: Cluster) -> None:
    """Kubectl goes from the list to the document by `serverRelativeURL`."""
    paths = cluster.read("/openapi/v3")["paths"]
    assert cluster.read(paths["apis/apps/v1"]["serverRelativeURL"])["openapi"].startswith("3.")
    assert "api/v1" in paths


@behaviour("A PATCH in /openapi/v3 names its kind and takes fieldValidation", area="discovery", since="1.25")
def test_open_api_has_field_validation(cluster: Cluster) -> None:
    """From this kubectl learns that it may leave validation to the server."""
    url = cluster.read("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
    patch = cluster.read(url)["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "kind": "Deployment", "version": "v1"}
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
@behaviour("/healthz, /livez and /readyz answer ok", area="discovery")
def test_health(cluster: Cluster, path: str) -> None:
    """Plain text."""
    answer = cluster.call("GET", path)
    assert (answer.status, answer.data) == (200, b"ok")
