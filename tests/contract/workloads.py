"""What tests of controllers share: starting a Deployment, finding what it owns, following what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import WAIT, container, deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.clusters import Cluster

__all__ = ["Trail", "apply_template", "conditions", "is_ready", "owned", "reasons", "rolled_out", "start",
           "started", "templated", "until_events"]  # fmt: skip

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"


def templated(name: str = "web", *, replicas: int = 0, env: str = "1", **spec: Any) -> Object:
    """A Deployment of pods that wait; another `env` is another template."""
    main = container(WAIT, env=[{"name": "RELEASE", "value": env}])
    return deployment(name, main, replicas=replicas, **{"pod_terminationGracePeriodSeconds": 0, **spec})


def rolled_out(one: Object) -> bool:
    """Whether the controller has seen the last change and every pod is of the last template and available."""
    status, wanted = one.get("status", {}), one["spec"]["replicas"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    seen = status.get("observedGeneration", 0) >= one["metadata"]["generation"]
    return seen and all(status.get(field, 0) == wanted for field in counts) and bool(status.get("conditions"))


def start(cluster: Cluster, namespace: str, made: Object) -> str:
    """Create a Deployment; returns its path."""
    cluster.create(cluster.path("deployments", namespace), made)
    return cluster.path("deployments", namespace, made["metadata"]["name"])


def started(cluster: Cluster, namespace: str, made: Object) -> str:
    """Create a Deployment and wait until it is rolled out; returns its path."""
    path = start(cluster, namespace, made)
    cluster.until(path, lambda one: one and rolled_out(one))
    return path


def apply_template(cluster: Cluster, path: str, **fields: Any) -> Object:
    """Give the first container of a Deployment other fields, such as `image`; `env` takes the value of RELEASE."""
    if "env" in fields:
        fields["env"] = [{"name": "RELEASE", "value": fields["env"]}]
    main = {"name": "main", **fields}
    return cluster.patch(path, {"spec": {"template": {"spec": {"containers": [main]}}}})


def owned(cluster: Cluster, resource: str, namespace: str, selector: str = "app=web") -> list[Object]:
    """The objects with some labels, oldest revision first."""
    found = cluster.call("GET", cluster.path(resource, namespace), query={"labelSelector": selector}).json["items"]
    return sorted(found, key=lambda o: int((o["metadata"].get("annotations") or {}).get(REVISION, 0)))


def conditions(one: Object) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {c["type"]: (c["status"], c.get("reason", "")) for c in one.get("status", {}).get("conditions", [])}


def reasons(one: Object, kind: str) -> str:
    """The reason of one condition; empty without it."""
    return conditions(one).get(kind, ("", ""))[1]


def until_events(cluster: Cluster, namespace: str, about: str, *reasons_wanted: str) -> list[Object]:
    """Wait until Events with these reasons are there, about an object (a field selector); they come a little late."""
    query = {"watch": "true", "timeoutSeconds": int(PATIENCE_S), "fieldSelector": about}
    found = []
    for event in cluster.lines(cluster.path("events", namespace), query):
        found.append(event["object"])
        if set(reasons_wanted) <= {one["reason"] for one in found}:
            return found
    raise AssertionError(f"Events about {about}: {[one['reason'] for one in found]} and not {reasons_wanted}")


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready and is not ending."""
    return conditions(pod).get("Ready", ("", ""))[0] == "True" and "deletionTimestamp" not in pod["metadata"]


class Trail:
    """What became of a collection since this was made: its states, one after each event."""

    def __init__(self, cluster: Cluster, resource: str, namespace: str) -> None:
        self._cluster = cluster
        self._path = cluster.path(resource, namespace)
        self._first = cluster.read(self._path)

    def states(self) -> list[dict[str, Object]]:
        """The objects by name: as they were at first, and after each event until now; read off a watch."""
        now = _by_name(self._cluster.read(self._path))
        state = _by_name(self._first)
        states = [state]
        version, end_s = self._first["metadata"]["resourceVersion"], int(PATIENCE_S)
        since = {"watch": "true", "resourceVersion": version, "timeoutSeconds": end_s}
        if _versions(state) == _versions(now):
            return states
        for event in self._cluster.lines(self._path, since):
            one = event["object"]
            state = {k: v for k, v in state.items() if k != one["metadata"]["name"]}
            if event["type"] != "DELETED":
                state[one["metadata"]["name"]] = one
            states.append(state)
            if _versions(state) == _versions(now):
                return states
        raise AssertionError(f"{self._path}: the watch from an old version did not lead to what is there now")

    def counts(self, counted: Callable[[Object], bool]) -> list[int]:
        """How many objects had a property in each state."""
        return [sum(map(counted, state.values())) for state in self.states()]


def _by_name(found: Object) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in found["items"]}


def _versions(state: dict[str, Object]) -> dict[str, str]:
    return {name: one["metadata"]["resourceVersion"] for name, one in state.items()}
