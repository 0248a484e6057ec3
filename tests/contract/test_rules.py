"""What is refused because it breaks a rule: the fields and the reasons that clients and people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, deployment, service
from tests.contract.refusing import causes

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


AT = "spec.template.spec.containers[0]"


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "dash-", "a..b", "a/b", "x" * 254, ""])
@behaviour("A name must be a DNS subdomain: 422 on metadata.name", area="refusals")
def test_a_wrong_name(cluster: Cluster, namespace: str, name: str) -> None:
    """Lower case, digits, dashes and dots, 253 characters at most; and it must be there."""
    answer = cluster.call("POST", cluster.path("configmaps", namespace), {"metadata": {"name": name}})
    assert set(causes(answer)) == {"metadata.name"}


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        ({"a b": "x"}, "FieldValueInvalid"),
        ({"-a": "x"}, "FieldValueInvalid"),
        ({"a": "x y"}, "FieldValueInvalid"),
        ({"a": "x" * 64}, "FieldValueInvalid"),
        ({"example.com/a/b": "x"}, "FieldValueInvalid"),
    ],
)
@behaviour("A label's key and value have rules: 422 on metadata.labels", area="refusals")
def test_a_wrong_label(cluster: Cluster, namespace: str, labels: dict[str, str], cause: str) -> None:
    """Spaces, dashes at the ends, and too many characters."""
    body = {"metadata": {"name": "one", "labels": labels}}
    found = causes(cluster.call("POST", cluster.path("configmaps", namespace), body))
    assert found == {"metadata.labels": cause}


@behaviour("A ConfigMap's keys have rules: 422 on data[key]", area="refusals")
def test_a_wrong_key(cluster: Cluster, namespace: str) -> None:
    """They become names of files."""
    body = {"metadata": {"name": "one"}, "data": {"a b": "x"}}
    found = causes(cluster.call("POST", cluster.path("configmaps", namespace), body))
    assert found == {"data[a b]": "FieldValueInvalid"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "Upper"}, {f"{AT}.name": "FieldValueInvalid"}),
        ({"name": ""}, {f"{AT}.name": "FieldValueRequired"}),
        ({"image": ""}, {f"{AT}.image": "FieldValueRequired"}),
        ({"imagePullPolicy": "Often"}, {f"{AT}.imagePullPolicy": "FieldValueNotSupported"}),
        ({"ports": [{"containerPort": 0}]}, {f"{AT}.ports[0].containerPort": "FieldValueRequired"}),
        ({"ports": [{"containerPort": 70000}]}, {f"{AT}.ports[0].containerPort": "FieldValueInvalid"}),
        ({"env": [{"name": "1 2"}]}, {f"{AT}.env[0].name": "FieldValueInvalid"}),
        ({"env": [{"value": "x"}]}, {f"{AT}.env[0].name": "FieldValueRequired"}),
        ({"volumeMounts": [{"name": "v", "mountPath": "/x"}]}, {f"{AT}.volumeMounts[0].name": "FieldValueNotFound"}),
        ({"readinessProbe": {}}, {f"{AT}.readinessProbe": "FieldValueRequired"}),
        (
            {"readinessProbe": {"tcpSocket": {"port": 70000}}},
            {f"{AT}.readinessProbe.tcpSocket.port": "FieldValueInvalid"},
        ),
        (
            {"readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": -1}},
            {f"{AT}.readinessProbe.periodSeconds": "FieldValueInvalid"},
        ),
        (
            {"readinessProbe": {"tcpSocket": {"port": 1}, "exec": {"command": ["x"]}}},
            {f"{AT}.readinessProbe.tcpSocket": "FieldValueForbidden"},
        ),
        (
            {"livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}},
            {f"{AT}.livenessProbe.successThreshold": "FieldValueInvalid"},
        ),
        ({"livenessProbe": {"exec": {}}}, {f"{AT}.livenessProbe.exec.command": "FieldValueRequired"}),
    ],
)
@behaviour("What is wrong with a container answers 422 with the path of the field", area="refusals")
def test_a_wrong_container(cluster: Cluster, namespace: str, fields: dict[str, Any], expected: dict[str, str]) -> None:
    """Names, images, ports, variables, mounts and probes."""
    body = deployment("web", {**container(WAIT), **fields}, replicas=0)
    assert causes(cluster.call("POST", cluster.path("deployments", namespace), body)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, {"spec.replicas": "FieldValueInvalid"}),
        ({"minReadySeconds": -1}, {"spec.minReadySeconds": "FieldValueInvalid"}),
        ({"progressDeadlineSeconds": 0}, {"spec.progressDeadlineSeconds": "FieldValueInvalid"}),
        ({"selector": {"matchLabels": {"x": "y"}}}, {"spec.template.metadata.labels": "FieldValueInvalid"}),
        ({"strategy": {"type": "Sudden"}}, {"spec.strategy": "FieldValueNotSupported"}),
        (
            {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            {"spec.strategy.rollingUpdate.maxUnavailable": "FieldValueInvalid"},
        ),
        (
            {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "some"}}},
            {"spec.strategy.rollingUpdate.maxSurge": "FieldValueInvalid"},
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            {"spec.strategy.rollingUpdate": "FieldValueForbidden"},
        ),
        ({"pod_restartPolicy": "Never"}, {"spec.template.spec.restartPolicy": "FieldValueNotSupported"}),
        (
            {"pod_volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]},
            {"spec.template.spec.volumes[0].configMap": "FieldValueForbidden"},
        ),
        (
            {"pod_volumes": [{"name": "v"}, {"name": "v"}]},
            {"spec.template.spec.volumes[1].name": "FieldValueDuplicate"},
        ),
    ],
)
@behaviour("What is wrong with a Deployment answers 422 with the path of the field", area="refusals")
def test_a_wrong_deployment(cluster: Cluster, namespace: str, spec: dict[str, Any], expected: dict[str, str]) -> None:
    """Counts, selector, strategy, restart policy and volumes."""
    body = deployment("web", container(WAIT), **{"replicas": 0, **spec})
    assert causes(cluster.call("POST", cluster.path("deployments", namespace), body)) == expected


@behaviour("A Deployment must have a selector and containers", area="refusals")
def test_an_empty_deployment(cluster: Cluster, namespace: str) -> None:
    """Both are named at once."""
    body = deployment("web", container(WAIT), replicas=0)
    del body["spec"]["selector"]
    body["spec"]["template"]["spec"]["containers"] = []
    found = causes(cluster.call("POST", cluster.path("deployments", namespace), body))
    assert found["spec.selector"] == "FieldValueRequired"
    assert found["spec.template.spec.containers"] == "FieldValueRequired"


@behaviour("Two containers of a pod cannot have one name", area="refusals")
def test_two_containers_of_a_name(cluster: Cluster, namespace: str) -> None:
    """The second one is named."""
    body = deployment("web", container(WAIT), container(WAIT), replicas=0)
    found = causes(cluster.call("POST", cluster.path("deployments", namespace), body))
    assert found == {"spec.template.spec.containers[1].name": "FieldValueDuplicate"}


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("1digit", {}, {"metadata.name": "FieldValueInvalid"}),
        ("a.b", {}, {"metadata.name": "FieldValueInvalid"}),
        ("s", {"ports": []}, {"spec.ports": "FieldValueRequired"}),
        ("s", {"ports": [{"port": 0, "targetPort": 1}]}, {"spec.ports[0].port": "FieldValueInvalid"}),
        ("s", {"ports": [{"port": 80, "protocol": "ICMP"}]}, {"spec.ports[0].protocol": "FieldValueNotSupported"}),
        ("s", {"ports": [{"port": 80}, {"port": 81, "name": "b"}]}, {"spec.ports[0].name": "FieldValueRequired"}),
        (
            "s",
            {"ports": [{"port": 80, "name": "b"}, {"port": 81, "name": "b"}]},
            {"spec.ports[1].name": "FieldValueDuplicate"},
        ),
        ("s", {"type": "Magic"}, {"spec.type": "FieldValueNotSupported"}),
        ("s", {"sessionAffinity": "Some"}, {"spec.sessionAffinity": "FieldValueNotSupported"}),
        ("s", {"selector": {"a": "x y"}}, {"spec.selector": "FieldValueInvalid"}),
    ],
)
@behaviour("What is wrong with a Service answers 422 with the path of the field", area="refusals")
def test_a_wrong_service(
    cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], expected: dict[str, str]
) -> None:
    """Its name is a DNS label that begins with a letter; ports need names when there are several."""
    body = service(name, **spec)
    assert causes(cluster.call("POST", cluster.path("services", namespace), body)) == expected


@behaviour("All that is wrong is told at once, in the message and in details.causes", area="refusals")
def test_all_causes(cluster: Cluster, namespace: str) -> None:
    """The message begins with the kind and the name."""
    body = deployment("web", {"name": "Upper", "image": ""}, replicas=-1)
    answer = cluster.call("POST", cluster.path("deployments", namespace), body)
    assert set(causes(answer)) == {"spec.replicas", f"{AT}.name", f"{AT}.image"}
    said = answer.json
    assert said["message"].startswith('Deployment.apps "web" is invalid: [')
    assert (said["details"]["group"], said["details"]["kind"], said["details"]["name"]) == ("apps", "Deployment", "web")
    assert f"{AT}.image: Required value" in said["message"]


@behaviour("A Lease's duration must be positive", area="refusals")
def test_a_wrong_lease(cluster: Cluster, namespace: str) -> None:
    """422 on spec.leaseDurationSeconds."""
    body = {"metadata": {"name": "one"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 0}}
    answer = cluster.call("POST", cluster.path("leases", namespace), body)
    assert causes(answer) == {"spec.leaseDurationSeconds": "FieldValueInvalid"}


@behaviour("An owner reference must have a UID: 422, FieldValueInvalid", area="refusals")
def test_a_wrong_owner(cluster: Cluster, namespace: str) -> None:
    """Only newer versions say which of the references it is."""
    body = {
        "metadata": {"name": "one", "ownerReferences": [{"kind": "Pod", "name": "p", "apiVersion": "v1", "uid": ""}]}
    }
    found = causes(cluster.call("POST", cluster.path("configmaps", namespace), body))
    # The index is in the sources of today; 1.20 and those after it have none.
    at = "metadata.ownerReferences.uid" if cluster.version < (1, 34) else "metadata.ownerReferences[0].uid"
    assert found == {at: "FieldValueInvalid"}


@behaviour("A NetworkPolicy is stored, and its pod selector is validated", area="refusals")
def test_a_network_policy(cluster: Cluster, namespace: str) -> None:
    """Whether it is enforced is another matter: not on every cluster."""
    path = cluster.path("networkpolicies", namespace)
    good = {"metadata": {"name": "one"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    made = cluster.create(path, good)
    assert made["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    wrong = {"metadata": {"name": "two"}, "spec": {"podSelector": {"matchLabels": {"a": "x y"}}}}
    assert set(causes(cluster.call("POST", path, wrong))) == {"spec.podSelector.matchLabels"}
