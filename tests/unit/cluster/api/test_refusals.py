"""What only a real cluster serves is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gameday.cluster.api.refusals import REFUSED, Refused

if TYPE_CHECKING:
    from tests.unit.cluster.api.conftest import Api


_ONE = {"name": "c", "image": "i"}


@pytest.fixture
def node(api: Api) -> None:
    """A node `n`."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {}}
    api.on_loop(lambda: api.store.create("nodes", node))


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("refused", REFUSED, ids=lambda one: one.what)
def test_a_refusal_says_what_and_where_to_go(api: Api, refused: Refused) -> None:
    """A Status with the code of the table, the thing's name, whose limit it is, and the next step."""
    answer = api.call(refused.method, refused.path, refused.body, kind=refused.kind)
    assert (answer.code, answer.body["kind"], answer.body["status"]) == (refused.code, "Status", "Failure")
    assert refused.what in answer.body["message"]
    assert "not served by the embedded cluster; run this on kind" in answer.body["message"]


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        (
            "spec.initContainers[0].restartPolicy",
            {"initContainers": [{**_ONE, "name": "s", "restartPolicy": "Always"}]},
        ),
        ("spec.containers[0].livenessProbe.grpc", {"containers": [{**_ONE, "livenessProbe": {"grpc": {"port": 1}}}]}),
        ("spec.volumes[0].hostPath", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        (
            "spec.containers[0].volumeMounts[0].mountPath",
            {
                "containers": [{**_ONE, "volumeMounts": [{"name": "v", "mountPath": "/a/../../x"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}],
            },
        ),
        ("spec.ephemeralContainers", {"ephemeralContainers": [{**_ONE, "name": "e"}]}),
    ],
)
def test_what_of_a_pod_is_not_served_is_refused_by_name(api: Api, field: str, spec: dict[str, Any]) -> None:
    """Sidecars, gRPC probes, hostPath, mount paths with `..`: 422, with the field and whose limit it is."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [_ONE], **spec}}
    answer = api.call("POST", "/api/v1/namespaces/shop/pods", pod)
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    (cause,) = answer.body["details"]["causes"]
    assert cause["field"] == field
    assert "not served by the embedded cluster" in cause["message"]


@pytest.mark.usefixtures("node")
def test_kubectl_tells_why_a_node_is_not_cordoned(api: Api) -> None:
    """It prints the message (and, as its own code has it, exits with 0)."""
    assert "cordon and drain" in api.kubectl("cordon", "n")
    assert api.on_loop(lambda: api.store.get("nodes", "", "n"))["spec"] == {}


@pytest.mark.usefixtures("node")
def test_a_node_can_be_labelled(api: Api) -> None:
    """Its metadata is its user's."""
    assert "labeled" in api.kubectl("label", "node", "n", "a=b")


def test_kubectl_prints_that_a_network_policy_is_not_enforced(api: Api) -> None:
    """At each create, replace and patch, so that nobody relies on it."""
    manifest = (
        '{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"n"},"spec":{"podSelector":{}}}'
    )
    for verb in ("create", "replace", "apply"):
        assert "not enforced" in api.kubectl(verb, "-f", "-", text=manifest)
    patched = api.kubectl("patch", "netpol", "n", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    assert "Warning: " in patched
    assert "not enforced" in patched
