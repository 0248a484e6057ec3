"""chaostoolkit-kubernetes on pods, unmodified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.clients.activities import shows
from tests.contract.manifests import WAIT, container, pod

if TYPE_CHECKING:
    from tests.contract.clients.activities import Toolkit
    from tests.contract.clusters import Cluster

_LABELS = {"name": "shop", "tier": "web"}


def _run(cluster: Cluster, namespace: str, *names: str, command: list[str] | None = None) -> None:
    """Pods with the label that chaosk8s looks for by default, running."""
    path = cluster.path("pods", namespace)
    for name in names:
        cluster.create(path, pod(name, container(command or WAIT), labels=_LABELS))
    for name in names:
        cluster.until(f"{path}/{name}", _is_ready)


def _is_ready(one: dict[str, Any]) -> bool:
    conditions = one.get("status", {}).get("conditions", [])
    return {"type": "Ready", "status": "True"} in [{"type": c["type"], "status": c["status"]} for c in conditions]


@behaviour("chaosk8s counts pods and tells their phase and conditions", area="clients")
@shows(
    "pod.probes.count_pods",
    "pod.probes.count_min_pods",
    "pod.probes.pods_in_phase",
    "pod.probes.pods_not_in_phase",
    "pod.probes.pods_in_conditions",
    "pod.probes.pod_is_not_available",
    "probes.microservice_is_not_available",
    "probes.all_microservices_healthy",
)
def test_probes(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Two pods run; nothing has the other label."""
    _run(cluster, namespace, "a", "b")
    web, none = {"label_selector": "tier=web"}, {"label_selector": "tier=db"}
    assert toolkit("pod.probes.count_pods", **web) == 2
    assert toolkit("pod.probes.count_pods", phase="Pending", **web) == 0
    assert toolkit("pod.probes.count_pods", **none) == 0
    assert toolkit("pod.probes.count_min_pods", min_count=2, **web) is True
    assert toolkit("pod.probes.count_min_pods", min_count=3, **web) is False
    assert toolkit("pod.probes.pods_in_phase", **web) is True
    assert "no pods" in toolkit.fails("pod.probes.pods_in_phase", **none)
    assert toolkit("pod.probes.pods_not_in_phase", phase="Failed", **web) is True
    assert "should not be" in toolkit.fails("pod.probes.pods_not_in_phase", phase="Running", **web)
    ready = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]
    assert toolkit("pod.probes.pods_in_conditions", conditions=ready, **web) is True
    lost = [{"type": "Ready", "status": "False"}]
    assert "given condition" in toolkit.fails("pod.probes.pods_in_conditions", conditions=lost, **web)
    assert "actually running" in toolkit.fails("pod.probes.pod_is_not_available", name="shop")
    assert toolkit("pod.probes.pod_is_not_available", name="other") is True
    assert toolkit("probes.microservice_is_not_available", name="other") is True
    assert toolkit("probes.all_microservices_healthy") is True


@behaviour(
    "chaosk8s terminates the pods that it selects, by label, name, number or share, with the grace", area="clients"
)
@shows("pod.actions.terminate_pods")
def test_termination(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Names that end are returned; the others stay."""
    pods = cluster.path("pods", namespace)
    _run(cluster, namespace, "a-1", "a-2", "b-1", "b-2")
    one = {"grace_period": 0, "label_selector": "tier=web"}
    assert toolkit("pod.actions.terminate_pods", name_pattern="^a-2$", **one) == ["a-2"]
    cluster.until_gone(f"{pods}/a-2")
    assert toolkit("pod.actions.terminate_pods", mode="percentage", qty=30, **one) == ["a-1"]
    cluster.until_gone(f"{pods}/a-1")
    (chance,) = toolkit("pod.actions.terminate_pods", rand=True, qty=1, order="oldest", grace_period=0)
    cluster.until_gone(f"{pods}/{chance}")
    (last,) = {"b-1", "b-2"} - {chance}
    assert toolkit("pod.actions.terminate_pods", all=True, grace_period=5) == [last]
    cluster.until(f"{pods}/{last}", lambda one: not one or one["metadata"].get("deletionGracePeriodSeconds") == 5)
    assert "400" in toolkit.fails("pod.actions.terminate_pods", label_selector="a in b")


@behaviour("chaosk8s runs a command in the pods that it selects, and tells output and exit code", area="clients")
@shows("pod.actions.exec_in_pods")
def test_exec(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """A container has to be named, or nothing is run."""
    _run(cluster, namespace, "a", "b")
    done = toolkit("pod.actions.exec_in_pods", cmd=["sh", "-c", "echo here"], all=True, container_name="main")
    assert [(one["pod_name"], one["stdout"], one["exit_code"]) for one in done] == [
        ("a", "here\n", 0),
        ("b", "here\n", 0),
    ]
    (bad,) = toolkit("pod.actions.exec_in_pods", cmd="sh -c 'exit 7'", name_pattern="a", container_name="main")
    assert bad["exit_code"] == "7"
    assert bad["stderr"].startswith("command terminated with non-zero exit code: ")
    assert toolkit("pod.actions.exec_in_pods", cmd="true", all=True) == []


@behaviour("chaosk8s reads the logs of all pods of a name, and searches them", area="clients")
@shows("pod.probes.read_pod_logs", "probes.read_microservices_logs", "pod.probes.should_be_found_in_logs")
def test_logs(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Each line with its time; `last` is a time span in words."""
    _run(cluster, namespace, "a", "b", command=["sh", "-c", "echo hello; exec sleep 600"])
    logs = toolkit("pod.probes.read_pod_logs", name="shop", last="10 minutes")
    assert {name: text.partition(" ")[2] for name, text in logs.items()} == {"a": "hello\n", "b": "hello\n"}
    named = toolkit("probes.read_microservices_logs", label_selector="tier=web", container_name="main")
    assert named == toolkit("pod.probes.read_pod_logs", label_selector="")
    assert toolkit("pod.probes.should_be_found_in_logs", pattern="hel+o", value=logs, ns=None) is True
    assert toolkit("pod.probes.should_be_found_in_logs", pattern="bye", value=logs, ns=None) is False
    assert "400" in toolkit.fails("pod.probes.read_pod_logs", name="shop", container_name="other")
