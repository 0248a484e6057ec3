"""The resources that the cluster serves: what discovery says, and how the store names them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0+gameday", "platform": "linux/amd64"}
"""The Kubernetes version whose behaviour is emulated."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One resource type. `key` is its name in the store: `pods`, `deployments.apps`."""

    group: str
    version: str
    name: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """Fields that a field selector may name, besides metadata.name and metadata.namespace."""
    verbs: tuple[str, ...] = VERBS
    stored_as: str = ""
    """The store's name when two API groups share one set of objects."""

    @property
    def key(self) -> str:
        """The resource's name in the store."""
        return self.stored_as or self.qualified

    @property
    def qualified(self) -> str:
        """The plural with its group, as messages name it."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


_EVENT_FIELDS = ("reason", "type", "reportingComponent", "source",
                 *(f"involvedObject.{f}" for f in ("kind", "namespace", "name", "uid", "apiVersion",
                                                   "resourceVersion", "fieldPath")))  # fmt: skip
_POD_FIELDS = ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
               "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName")  # fmt: skip

RESOURCES = (
    Resource("", "v1", "configmaps", "configmap", "ConfigMap", short_names=("cm",)),
    Resource("", "v1", "endpoints", "endpoints", "Endpoints", short_names=("ep",)),
    Resource("", "v1", "events", "event", "Event", short_names=("ev",), fields=_EVENT_FIELDS),
    Resource("", "v1", "namespaces", "namespace", "Namespace", namespaced=False, short_names=("ns",),
             subresources=("finalize", "status"), fields=("status.phase",),
             verbs=tuple(v for v in VERBS if v != "deletecollection")),
    Resource("", "v1", "nodes", "node", "Node", namespaced=False, short_names=("no",),
             subresources=("status",), fields=("spec.unschedulable",)),
    Resource("", "v1", "pods", "pod", "Pod", short_names=("po",), categories=("all",),
             subresources=("eviction", "exec", "log", "status"), fields=_POD_FIELDS),
    Resource("", "v1", "secrets", "secret", "Secret", fields=("type",)),
    Resource("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", short_names=("sa",)),
    Resource("", "v1", "services", "service", "Service", short_names=("svc",), categories=("all",),
             subresources=("status",), fields=("spec.clusterIP", "spec.type")),
    Resource("apps", "v1", "deployments", "deployment", "Deployment", short_names=("deploy",), categories=("all",),
             subresources=("scale", "status")),
    Resource("apps", "v1", "replicasets", "replicaset", "ReplicaSet", short_names=("rs",), categories=("all",),
             subresources=("scale", "status"), fields=("status.replicas",)),
    Resource("coordination.k8s.io", "v1", "leases", "lease", "Lease"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice"),
    Resource("events.k8s.io", "v1", "events", "event", "Event", short_names=("ev",), stored_as="events",
             fields=("reason", "type", "reportingController", "regarding.kind", "regarding.name", "regarding.namespace",
                     "regarding.uid")),
    Resource("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", short_names=("netpol",)),
    Resource("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget",
             short_names=("pdb",), subresources=("status",)),
)  # fmt: skip

GROUPS = tuple(dict.fromkeys(r.group for r in RESOURCES))
_BY_PLACE = {(r.group, r.version, r.name): r for r in RESOURCES}


def find(group: str, version: str, name: str) -> Resource | None:
    """The resource at a place of the API, or None."""
    return _BY_PLACE.get((group, version, name))
