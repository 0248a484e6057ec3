"""The real Kubernetes' own judge of pods: a PodSecurityPolicy as strict as Pod Security "restricted".

A policy is enforced where pods are admitted, in the API server, and nowhere else. The cluster at hand runs without
that plugin; so this starts an API server of the same Kubernetes that has it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from gameday.activities import proxied
from gameday.runner.catalogue import find_catalogue
from gameday.runner.rendering import Renderer
from tests.e2e import apiserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.apiserver import ApiServer

pytestmark = [pytest.mark.realkube, pytest.mark.timeout(300)]
PODS = "/api/v1/namespaces/default/pods?dryRun=All"
# The policy `restricted` of the Kubernetes documentation, with seccomp demanded of the pod and not filled in.
RESTRICTED = {
    "apiVersion": "policy/v1beta1",
    "kind": "PodSecurityPolicy",
    "metadata": {
        "name": "restricted",
        "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"},
    },
    "spec": {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "requiredDropCapabilities": ["ALL"],
        "volumes": ["configMap", "emptyDir", "projected", "secret", "downwardAPI", "persistentVolumeClaim"],
        "hostNetwork": False,
        "hostIPC": False,
        "hostPID": False,
        "runAsUser": {"rule": "MustRunAsNonRoot"},
        "seLinux": {"rule": "RunAsAny"},
        "supplementalGroups": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]},
        "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]},
        "readOnlyRootFilesystem": True,
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server under that policy alone."""
    with apiserver.api_server(tmp_path_factory.mktemp("apiserver"), "PodSecurityPolicy") as running:
        status, answer = running.post("/apis/policy/v1beta1/podsecuritypolicies", RESTRICTED)
        assert status == 201, answer
        yield running


def pod(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """The pod that a controller makes of a template."""
    meta = {**template["metadata"], "name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def test_every_pod_is_admitted(server: ApiServer) -> None:
    """All pods of every overlay and weakness, and the fault proxy's; and none is changed in passing."""
    made = {"proxy": proxied.deployment_object("web", "fault-1", [], "198.51.100.1")["spec"]["template"]}
    for overlay in ("embedded", "kind", "plain"):
        renderer = Renderer(find_catalogue(), overlay=overlay)
        for weakness in (None, *find_catalogue().weaknesses()):
            for one in (m for m in renderer.render(weakness) if m["kind"] == "Deployment"):
                made[f"{overlay}-{weakness or 'sound'}-{one['metadata']['name']}"] = one["spec"]["template"]
    for name, template in made.items():
        asked = pod(name, template)
        status, answer = server.post(PODS, asked)
        assert status == 201, f"{name}: {answer.get('message')}"
        assert answer["metadata"]["annotations"]["kubernetes.io/psp"] == "restricted"
        for given, kept in zip(asked["spec"]["containers"], answer["spec"]["containers"], strict=True):
            assert kept["securityContext"] == given["securityContext"], name


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hostNetwork", True, "hostNetwork"),
        ("volumes", [{"name": "host", "hostPath": {"path": "/"}}], "hostPath"),
        (
            "securityContext",
            {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}},
            "running with the root UID",
        ),
        ("securityContext", {"runAsUser": 1000, "seccompProfile": {"type": "Unconfined"}}, "unconfined"),
    ],
)
def test_the_policy_refuses_what_is_not_restricted(server: ApiServer, key: str, value: Any, says: str) -> None:
    """It is in force: a pod that takes more is forbidden, and told why."""
    asked = pod("greedy", copy.deepcopy(proxied.deployment_object("web", "f", [], "198.51.100.1")["spec"]["template"]))
    asked["spec"][key] = value
    status, answer = server.post(PODS, asked)
    assert status == 403, answer
    assert says in answer["message"]
