"""Pod Security "restricted", every rule of it, for every pod that this project makes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gameday.activities import proxied
from gameday.ledger.lease import LEASE_NAME
from gameday.runner.catalogue import find_catalogue
from gameday.runner.guardians import guardian
from gameday.runner.rendering import Renderer
from tests.unit.manifests.pod_security import APPARMOR, RESTRICTED, Pod, containers

OVERLAYS = ["embedded", "kind", "plain"]
STOREFRONTS = [None, *find_catalogue().weaknesses()]
PORTS = [{"name": "http", "port": 8080, "targetPort": "http"}]


def fault_proxy() -> Pod:
    """The pod of the fault proxy."""
    routes = proxied.routes(PORTS)
    made: Pod = proxied.deployment_object("web", "fault-1", routes, "198.51.100.1")["spec"]["template"]
    return made


def pods_of(manifests: list[dict[str, Any]]) -> dict[str, Pod]:
    """The pods that these manifests make, by whose they are; an object of an unknown kind fails."""
    assert {one["kind"] for one in manifests} <= {"ConfigMap", "Secret", "Service", "Deployment"}
    return {one["metadata"]["name"]: one["spec"]["template"] for one in manifests if one["kind"] == "Deployment"}


@pytest.fixture(scope="module", params=OVERLAYS)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    """What renders one overlay."""
    return Renderer(find_catalogue(), overlay=request.param)


@pytest.mark.parametrize("weakness", STOREFRONTS)
def test_every_pod_of_the_storefront_is_restricted(renderer: Renderer, weakness: str | None) -> None:
    """On each overlay, sound and with each weakness: a weakness is no reason for a privilege."""
    pods = pods_of(renderer.render(weakness))
    assert len(pods) == 10
    broken = [(n, rule, w) for n, pod in pods.items() for rule, check in RESTRICTED.items() for w in check(pod)]
    assert broken == []


def the_guardian() -> Pod:
    """The pod of the guardian."""
    (deployment,) = (one for one in guardian(find_catalogue()) if one["kind"] == "Deployment")
    made: Pod = deployment["spec"]["template"]
    return made


@pytest.mark.parametrize("pod", [fault_proxy(), the_guardian()], ids=["fault proxy", "guardian"])
def test_what_game_days_bring_along_is_restricted(pod: Pod) -> None:
    """Those pods are held to the same."""
    assert [(rule, what) for rule, check in RESTRICTED.items() for what in check(pod)] == []


def test_no_container_writes_but_into_a_volume(renderer: Renderer) -> None:
    """The root file system of each is read-only: the storefront's, the guardian's, the fault proxy's."""
    pods = [*pods_of(renderer.render()).values(), the_guardian(), fault_proxy()]
    found = [(c["name"], c["securityContext"].get("readOnlyRootFilesystem")) for pod in pods for c in containers(pod)]
    assert len(found) == 14
    assert [name for name, read_only in found if read_only is not True] == []


def test_the_guardian_may_do_what_undoing_needs_and_no_more() -> None:
    """No verb and no resource by a wildcard, nothing made, no pod entered, no Lease but the run's."""
    (role,) = (one for one in guardian(find_catalogue()) if one["kind"] == "Role")
    may = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert {verb for _, verb in may} == {"get", "list", "patch", "delete"}
    deletes = {resource for resource, verb in may if verb == "delete"}
    assert deletes == {"services", "secrets", "deployments", "replicasets"}
    assert not any("*" in part or "/" in part for pair in may for part in pair)
    (leases,) = (rule for rule in role["rules"] if "leases" in rule["resources"])
    assert leases["resourceNames"] == [LEASE_NAME]


def changed(where: str, value: Any) -> Pod:
    """A sound pod with one value changed; `where` is a path of keys, `c` for its first container."""
    pod = copy.deepcopy(fault_proxy())
    *path, last = where.split("/")
    place: Any = pod
    for key in path:
        place = place["spec"]["containers"][0] if key == "c" else place.setdefault(key, {})
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return pod


BREACHES: dict[str, list[tuple[str, Any]]] = {
    "HostProcess": [("c/securityContext/windowsOptions", {"hostProcess": True})],
    "Host Namespaces": [("spec/hostNetwork", True), ("spec/hostPID", True), ("spec/hostIPC", True)],
    "Privileged Containers": [("c/securityContext/privileged", True)],
    "Capabilities": [("c/securityContext/capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]})],
    "HostPath Volumes": [("spec/volumes", [{"name": "x", "hostPath": {"path": "/"}}])],
    "Host Ports": [("c/ports", [{"containerPort": 8080, "hostPort": 80}])],
    "Host Probes / Lifecycle Hooks": [
        ("c/readinessProbe", {"httpGet": {"port": 80, "host": "198.51.100.1"}}),
        ("c/lifecycle", {"preStop": {"tcpSocket": {"port": 80, "host": "198.51.100.1"}}}),
    ],
    "AppArmor": [
        ("metadata/annotations", {f"{APPARMOR}proxy": "unconfined"}),
        ("spec/securityContext/appArmorProfile", {"type": "Unconfined"}),
    ],
    "SELinux": [
        ("spec/securityContext/seLinuxOptions", {"type": "spc_t"}),
        ("c/securityContext/seLinuxOptions", {"role": "sysadm_r"}),
    ],
    "/proc Mount Type": [("c/securityContext/procMount", "Unmasked")],
    "Seccomp": [("c/securityContext/seccompProfile", {"type": "Unconfined"})],
    "Sysctls": [("spec/securityContext/sysctls", [{"name": "kernel.msgmax", "value": "1"}])],
    "Volume Types": [("spec/volumes", [{"name": "x", "nfs": {"server": "s", "path": "/"}}])],
    "Privilege Escalation": [
        ("c/securityContext/allowPrivilegeEscalation", None),
        ("c/securityContext/allowPrivilegeEscalation", True),
    ],
    "Running as Non-root": [
        ("spec/securityContext/runAsNonRoot", None),
        ("c/securityContext/runAsNonRoot", False),
    ],
    "Running as Non-root user": [
        ("spec/securityContext/runAsUser", 0),
        ("c/securityContext/runAsUser", 0),
    ],
    "Seccomp (restricted)": [("spec/securityContext/seccompProfile", None)],
    "Capabilities (restricted)": [
        ("c/securityContext/capabilities", None),
        ("c/securityContext/capabilities", {"drop": ["ALL"], "add": ["CHOWN"]}),
    ],
}


def test_every_rule_has_a_breach() -> None:
    """A rule that nothing can break would not be one."""
    assert BREACHES.keys() == RESTRICTED.keys()


@pytest.mark.parametrize(
    ("rule", "where", "value"), [(r, *breach) for r, found in BREACHES.items() for breach in found]
)
def test_a_breach_is_seen(rule: str, where: str, value: Any) -> None:
    """Each rule notices a pod that is sound but for that."""
    assert list(RESTRICTED[rule](changed(where, value)))
