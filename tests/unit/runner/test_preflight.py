"""What `gameday preflight` makes of what it is told: verdicts, names, sums and rights, without a cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.preflight.clusters import enforces
from gameday.runner.preflight.engines import Room, judged, room_of
from gameday.runner.preflight.findings import (
    Finding,
    exit_code,
    lacking,
    last_line,
    not_allowed,
    note,
    ok,
    refusal,
)
from gameday.runner.preflight.machine import STOREFRONT_MIB, memory
from gameday.runner.preflight.nodes import full_name, requested, why_not
from gameday.runner.preflight.rights import Right, needed

MACHINE = lacking("disk", "1 GiB free", "2 GiB", "docker system prune")
USER = not_allowed("label", "None", "true", "kubectl label")


def test_a_finding_is_one_line() -> None:
    """State, what, observed, expected and the next step, in that order, and only those that there are."""
    assert str(MACHINE) == "missing  disk: 1 GiB free, expected 2 GiB; docker system prune"
    assert str(ok("kind", "0.33.0")) == "ok       kind: 0.33.0"
    assert str(note("room", "tight", "say --jobs 1")) == "note     room: tight; say --jobs 1"
    assert str(refusal("kind", EnvironmentFailure("no kind\nhere"))) == "missing  kind: no kind here"


@pytest.mark.parametrize(
    ("found", "code", "line"),
    [
        ([], 0, "gameday: ready"),
        ([ok("a", "b"), note("a", "b")], 0, "gameday: ready"),
        ([USER, note("a", "b")], 2, "gameday: 1 thing is missing"),
        ([MACHINE, USER], 5, "gameday: 2 things are missing"),
        (
            [refusal("x", InvalidRequest("y")), refusal("x", EnvironmentFailure("y"))],
            5,
            "gameday: 2 things are missing",
        ),
    ],
)
def test_the_worst_is_the_exit_code(found: list[Finding], code: int, line: str) -> None:
    """As a game day ranks them: an environment that lacks something before a request that cannot be."""
    assert (exit_code(found), last_line(found)) == (code, line)


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        ({"kube-proxy": ["k8s.gcr.io/kube-proxy:v1"], "calico-node": ["calico/node:v3"]}, ("calico-node", True)),
        ({"canal": ["flannel", "calico"]}, ("canal", True)),
        ({"kube-flannel-ds": ["flannel:v0.22"]}, ("kube-flannel-ds", False)),
        ({"kindnet": ["docker.io/kindest/kindnetd:v20230511-dc714da8"]}, ("kindnet", False)),
        ({"kindnet": ["docker.io/kindest/kindnetd:v20240813-c6f155d6"]}, ("kindnet", True)),
        ({"kindnet": ["docker.io/kindest/kindnetd:v20250214-acbabc1a"], "cilium": ["x"]}, ("cilium", True)),
        ({"kindnet": ["localhost/kindnetd:v1.20.2"]}, ("kindnet", False)),
        ({"kube-proxy": ["k8s.gcr.io/kube-proxy:v1"]}, ("", None)),
    ],
)
def test_network_plugins(sets: dict[str, list[str]], found: tuple[str, bool | None]) -> None:
    """Those that are known to enforce NetworkPolicies, those that are known not to, and those one cannot tell of."""
    assert enforces(sets) == found


def test_what_engines_say_of_themselves() -> None:
    """Docker and podman tell the same in different words; anything else tells nothing."""
    docker: dict[str, Any] = {"NCPU": 2, "MemTotal": 4 << 30, "DockerRootDir": "/var/lib/docker", "CgroupVersion": "1",
                              "SecurityOptions": ["name=seccomp,profile=default"]}  # fmt: skip
    assert room_of(docker) == Room(4 << 30, 2, "/var/lib/docker", rootless=False, cgroup="1")
    assert room_of(docker | {"SecurityOptions": ["name=rootless", "name=cgroupns"]}).rootless
    assert not room_of(docker | {"SecurityOptions": None}).rootless
    podman = {"host": {"cpus": 8, "memTotal": 1 << 30, "cgroupVersion": "v2", "security": {"rootless": True}},
              "store": {"graphRoot": "/home/me/.local/share/containers/storage"}}  # fmt: skip
    assert room_of(podman) == Room(1 << 30, 8, "/home/me/.local/share/containers/storage", rootless=True, cgroup="2")
    with pytest.raises(LookupError):
        room_of({"ServerErrors": ["down"]})


@pytest.mark.parametrize(
    ("room", "states"),
    [
        (Room(8 << 30, 4, "/x", rootless=False, cgroup="1"), ["ok"]),
        (Room(2 << 30, 4, "/x", rootless=False, cgroup="1"), ["note"]),
        (Room(8 << 30, 1, "/x", rootless=False, cgroup="1"), ["note"]),
        (Room(1 << 30, 4, "/x", rootless=False, cgroup="1"), ["missing"]),
        (Room(8 << 30, 4, "/x", rootless=True, cgroup="2"), ["ok"]),
        (Room(8 << 30, 4, "/x", rootless=True, cgroup="1"), ["ok", "missing"]),
    ],
)
def test_the_room_of_an_engine(room: Room, states: list[str]) -> None:
    """A node and a storefront need memory; without root kind needs cgroup v2."""
    found = list(judged("docker", room))
    assert [one.state for one in found] == states
    assert all(one.exit_code == 5 and one.next_step for one in found if one.state == "missing")


def test_memory_for_storefronts() -> None:
    """None without room for one; fewer side by side without room for all; `--jobs` says how many."""
    assert memory(STOREFRONT_MIB - 1, 4, 1).exit_code == 5
    tight = memory(STOREFRONT_MIB * 3, 4, 4)
    assert (tight.state, tight.next_step.rpartition(" ")[2]) == ("note", "3")
    assert memory(STOREFRONT_MIB * 4, 4, 4).state == "ok"
    assert memory(None, 4, 4).state == "note"


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("postgres:18", "docker.io/library/postgres:18"),
        ("postgres", "docker.io/library/postgres:latest"),
        ("envoyproxy/envoy:v1", "docker.io/envoyproxy/envoy:v1"),
        ("localhost/shop", "localhost/shop:latest"),
        ("registry:5000/shop", "registry:5000/shop:latest"),
        ("registry.example/a/b:c", "registry.example/a/b:c"),
        ("shop@sha256:00", "docker.io/library/shop@sha256:00"),
    ],
)
def test_images_have_one_full_name(given: str, full: str) -> None:
    """As container runtimes spell it, so that what a node has is recognised."""
    assert full_name(given) == full


def test_requests_are_summed_as_the_scheduler_does() -> None:
    """Containers together, or the init container that requests more; times the replicas."""
    text = """
    - replicas: 3
      template: {spec: {containers: [
        {resources: {requests: {cpu: 20m, memory: 64Mi}}}, {resources: {requests: {cpu: 10m}}}, {}]}}
    - template: {spec: {initContainers: [{resources: {requests: {cpu: "1", memory: 8Mi}}}],
                        containers: [{resources: {requests: {cpu: 0.5, memory: 0.5Gi}}}]}}
    """
    processors, memory = requested(yaml.safe_load(text))
    assert processors == pytest.approx(3 * 0.03 + 1)
    assert memory == pytest.approx(3 * 64 + 512)


def node(*, ready: str = "True", cordoned: bool = False, taints: list[str] | None = None) -> SimpleNamespace:
    """A node as the client has it, as far as it is looked at."""
    spread = [SimpleNamespace(key=key, effect="NoSchedule") for key in taints or []]
    spread.append(SimpleNamespace(key="soft", effect="PreferNoSchedule"))
    return SimpleNamespace(
        status=SimpleNamespace(conditions=[SimpleNamespace(type="Ready", status=ready)]),
        spec=SimpleNamespace(unschedulable=cordoned, taints=spread),
    )


def test_why_a_node_takes_no_pods() -> None:
    """Not ready, cordoned, tainted; a taint that only prefers keeps nobody away."""
    assert why_not(node()) == ""
    assert why_not(node(ready="Unknown")) == "is not ready"
    assert why_not(node(cordoned=True)) == "is cordoned"
    assert why_not(node(taints=["dedicated"])) == "is tainted (dedicated)"


def test_rights_follow_what_is_run() -> None:
    """Namespaces are made only for fresh storefronts, nodes patched only to drain, pods/exec used only to crash."""

    def names(calls: set[str], *, fresh: bool, forward: bool) -> set[str]:
        return {
            f"{verb} {right.resource}" for right in needed(calls, fresh=fresh, forward=forward) for verb in right.verbs
        }

    fresh, given = names(set(), fresh=True, forward=True), names(set(), fresh=False, forward=False)
    assert {"create namespaces", "create roles.rbac.authorization.k8s.io", "create pods/portforward"} <= fresh - given
    assert given - fresh == set()
    assert names({"drain_node"}, fresh=False, forward=False) - given == {
        "get nodes", "list nodes", "patch nodes", "create pods/eviction",
    }  # fmt: skip
    assert names({"crash_pods"}, fresh=False, forward=False) - given == {"get pods/exec"}
    assert names({"scale_to_zero"}, fresh=False, forward=False) == given


def test_a_right_is_asked_for_in_its_place() -> None:
    """Group and subresource apart; the namespace, unless it is a right to something that has none."""
    log = Right("pods/log", ("get",)).attributes("get", "shop")
    assert log == {"verb": "get", "group": "", "resource": "pods", "subresource": "log", "namespace": "shop"}
    deployments = Right("deployments.apps", ("get",)).attributes("get", None)
    assert (deployments["group"], "namespace" in deployments) == ("apps", False)
    assert "namespace" not in Right("nodes", ("get",), of_cluster=True).attributes("get", "shop")
