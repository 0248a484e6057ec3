"""What is refused, and how: who asks, for what, and with which body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON
from tests.contract.manifests import WAIT, container, deployment
from tests.contract.refusing import refused

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


def web(**spec: Any) -> dict[str, Any]:
    """A Deployment without pods."""
    return deployment("web", container(WAIT), replicas=0, **spec)


@pytest.mark.parametrize("path", ["/version", "/api/v1/namespaces/default/pods", "/apis/apps/v1", "/nowhere"])
@behaviour("A wrong token answers 401 Unauthorized everywhere", area="refusals")
def test_a_wrong_token(cluster: Cluster, path: str) -> None:
    """Before anything else is looked at."""
    refused(cluster.stranger("wrong").call("GET", path), 401, "Unauthorized")


@behaviour(
    "Who sends no token reads and changes nothing: 401, or 403 where anonymous users are let in", area="refusals"
)
def test_no_token(cluster: Cluster, namespace: str) -> None:
    """Objects are neither shown nor made."""
    path, nobody = cluster.path("configmaps", namespace), cluster.stranger()
    # Whether there are anonymous users is a setting of each cluster's, not of its version.
    let_in = nobody.call("GET", "/version").status == 200
    assert not (let_in and cluster.embedded)
    for answer in (nobody.call("GET", path), nobody.call("POST", path, {"metadata": {"name": "one"}})):
        refused(answer, *((403, "Forbidden") if let_in else (401, "Unauthorized")))
    assert cluster.call("GET", f"{path}/one").status == 404


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default/foos", "/apis/apps/v1/namespaces/default/foos"])
@behaviour("A resource that is not served answers 404, and so does a group", area="refusals")
def test_an_unknown_resource(cluster: Cluster, path: str) -> None:
    """The group's answer may be plain text."""
    refused(cluster.call("GET", path), 404, "NotFound")
    assert cluster.call("GET", "/apis/example.com/v1/foos").status == 404
    assert cluster.call("GET", "/nowhere").status == 404


@behaviour("A subresource that is not served answers 404", area="refusals")
def test_an_unknown_subresource(cluster: Cluster, namespace: str) -> None:
    """Of an object that is there."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}})
    path = cluster.path("configmaps", namespace, "one")
    refused(cluster.call("GET", f"{path}/status"), 404, "NotFound")
    refused(cluster.call("GET", f"{path}/scale"), 404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/namespaces/default/configmaps"),
        ("PATCH", "/api/v1/namespaces/default/configmaps"),
        ("POST", "/api/v1/namespaces/default/configmaps/one"),
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/namespaces"),
    ],
)
@behaviour("A method that a place does not have answers 405 MethodNotAllowed", area="refusals")
def test_a_wrong_method(cluster: Cluster, method: str, path: str) -> None:
    """A collection is not replaced, a name is not posted to, all namespaces are not deleted at once."""
    kind = "application/merge-patch+json" if method == "PATCH" else JSON
    refused(cluster.call(method, path, {"metadata": {"name": "one"}}, kind=kind), 405, "MethodNotAllowed")


@behaviour("An object that is not there answers 404 and says which", area="refusals")
def test_an_absent_object(cluster: Cluster, namespace: str) -> None:
    """With the group in the resource's name."""
    said = refused(cluster.call("GET", cluster.path("deployments", namespace, "none")), 404, "NotFound")
    assert said["message"] == 'deployments.apps "none" not found'
    assert said["details"] == {"name": "none", "group": "apps", "kind": "deployments"}


@behaviour("A create in a namespace that does not exist answers 404 and names the namespace", area="refusals")
def test_an_absent_namespace(cluster: Cluster) -> None:
    """It is not made."""
    answer = cluster.call("POST", cluster.path("configmaps", "no-such"), {"metadata": {"name": "one"}})
    said = refused(answer, 404, "NotFound")
    assert said["message"] == 'namespaces "no-such" not found'
    assert said["details"] == {"name": "no-such", "kind": "namespaces"}


@pytest.mark.parametrize("body", [b"{nope", b"", b"[]", b'"text"', b'{"metadata": []}', b'{"metadata": {"name": 1}}'])
@behaviour("A body that is no object of the kind answers 400 BadRequest", area="refusals")
def test_a_broken_body(cluster: Cluster, namespace: str, body: bytes) -> None:
    """Broken JSON, nothing, a list, a text, metadata of the wrong type."""
    refused(cluster.call("POST", cluster.path("configmaps", namespace), body), 400, "BadRequest")


@pytest.mark.parametrize(("kind", "body"), [
    (JSON, b'{"metadata": {"name": "deep"}, "more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    ("application/yaml", b"metadata: {name: deep}\nmore: " + b"{a: " * 50_000 + b"1" + b"}" * 50_000),
], ids=["json", "yaml"])  # fmt: skip
@behaviour("A body that is nested too deeply answers 400, and the server lives on", area="refusals")
def test_a_deep_body(cluster: Cluster, namespace: str, kind: str, body: bytes) -> None:
    """A parser that recurses would run out of stack: a fuzz saw it end the whole server."""
    path = cluster.path("configmaps", namespace)
    refused(cluster.call("POST", path, body, kind=kind), 400, "BadRequest")
    assert cluster.call("GET", f"{path}/deep").status == 404


@pytest.mark.parametrize(
    "wrong", [{"kind": "Secret", "apiVersion": "v1"}, {"kind": "ConfigMap", "apiVersion": "example.com/v1"}]
)
@behaviour("A body of another kind than the path's answers 400", area="refusals")
def test_a_wrong_kind(cluster: Cluster, namespace: str, wrong: dict[str, str]) -> None:
    """The kind or the group differs."""
    body = {**wrong, "metadata": {"name": "one"}}
    refused(cluster.call("POST", cluster.path("configmaps", namespace), body), 400, "BadRequest")


@behaviour("A body of another namespace, or of another name, than the path's answers 400", area="refusals")
def test_a_wrong_place(cluster: Cluster, namespace: str) -> None:
    """The path decides, and the body may not say otherwise."""
    path = cluster.path("configmaps", namespace)
    answer = cluster.call("POST", path, {"metadata": {"name": "one", "namespace": "default"}})
    said = refused(answer, 400, "BadRequest")["message"]
    assert "the namespace of the provided object does not match the namespace sent on the request" in said
    cluster.create(path, {"metadata": {"name": "one"}})
    said = refused(cluster.call("PUT", f"{path}/one", {"metadata": {"name": "two"}}), 400, "BadRequest")["message"]
    assert "the name of the object" in said
    assert "does not match the name on the URL" in said


@behaviour("A value of the wrong type answers 400 and names the field", area="refusals")
def test_a_wrong_type(cluster: Cluster, namespace: str) -> None:
    """A number for a text, a text for a number, an object for a list."""
    config = cluster.call("POST", cluster.path("configmaps", namespace), {"metadata": {"name": "a"}, "data": {"k": 1}})
    assert "data" in refused(config, 400, "BadRequest")["message"].lower()
    path = cluster.path("deployments", namespace)
    said = refused(cluster.call("POST", path, web() | {"spec": {"replicas": "x"}}), 400, "BadRequest")["message"]
    assert "replicas" in said.lower()
    labels = {"metadata": {"name": "web", "labels": {"a": True}}}
    refused(cluster.call("POST", path, {**web(), **labels}), 400, "BadRequest")


@pytest.mark.parametrize("text", ["a/b", "1/2", "", "1kk", "1K", "0x10", "1_000"])
@behaviour("A quantity that is none answers 400", area="refusals")
def test_a_wrong_quantity(cluster: Cluster, namespace: str, text: str) -> None:
    """As a limit, and as the divisor of one."""
    reference = {"resource": "limits.memory", "divisor": text}
    for fields in (
        {"resources": {"limits": {"memory": text}}},
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": reference}}]},
    ):
        body = deployment("web", {**container(WAIT), **fields}, replicas=0)
        refused(cluster.call("POST", cluster.path("deployments", namespace), body), 400, "BadRequest")


@pytest.mark.parametrize("text", ["1e3", "1E3", "1.", ".5", "+5", "1m", "1n", "1Ki", "1E", "1e99", 5, 0.5])
@behaviour("A quantity may have an exponent, or a suffix of its grammar", area="refusals")
def test_a_right_quantity(cluster: Cluster, namespace: str, text: str | float) -> None:
    """Decimal and binary ones."""
    body = deployment("web", {**container(WAIT), "resources": {"limits": {"memory": text}}})
    answer = cluster.call("POST", cluster.path("deployments", namespace), body, query={"dryRun": "All"})
    assert answer.status == 201, answer.data


@behaviour("A Secret's data that is not base64 answers 400", area="refusals")
def test_broken_base64(cluster: Cluster, namespace: str) -> None:
    """StringData is for plain text."""
    body = {"metadata": {"name": "one"}, "data": {"k": "!"}}
    refused(cluster.call("POST", cluster.path("secrets", namespace), body), 400, "BadRequest")


@behaviour("A body of an unknown Content-Type answers 415 UnsupportedMediaType", area="refusals")
def test_an_unknown_content_type(cluster: Cluster, namespace: str) -> None:
    """JSON is among those that the message offers."""
    answer = cluster.call("POST", cluster.path("configmaps", namespace), b"<a/>", kind="application/xml")
    assert JSON in refused(answer, 415, "UnsupportedMediaType")["message"]
