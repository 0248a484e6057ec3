"""The nodes: which of them take pods, whether a storefront fits beside what is there, and which images they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster.quantities import quantity
from gameday.ledger.strays import strays_among
from gameday.runner.preflight.findings import Finding, lacking, not_allowed, note, ok
from gameday.runner.preflight.request import DRAIN
from gameday.runner.rendering import STOREFRONT
from gameday.runner.target import PROCESSORS_A_STOREFRONT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gameday.kube import Kube
    from gameday.runner.preflight.request import Request

__all__ = ["TIMEOUT_S", "check_images", "check_nodes", "check_room", "full_name", "requested"]

TIMEOUT_S = 5.0
"""Bound of one call to the API."""

_MIB = 1 << 20
_KIND = "kind-"
_TOLD = 50
"""A kubelet names so many of its images at the most, the largest first."""
Amounts = tuple[float, float]
"""Processors, and MiB of memory."""


def check_nodes(kube: Kube, request: Request) -> Iterator[Finding]:
    """At least one takes pods, two where one is drained; those that do not are named, and those a fault left so."""
    found = _nodes(kube)
    taking = [node for node in found if not why_not(node)]
    others = ", ".join(f"{node.metadata.name} {why_not(node)}" for node in found if why_not(node))
    wanted = 2 if DRAIN in request.calls() else 1
    if len(taking) < wanted:
        see = f"kubectl --context {kube.context} get nodes; one that is cordoned: kubectl uncordon NODE"
        observed = f"{len(taking)} of {len(found)} take pods" + (f"; {others}" if others else "")
        yield lacking("nodes", observed, f"at least {wanted}", f"see {see}")
    elif others:
        yield note("nodes", f"{len(taking)} of {len(found)} take pods; {others}")
    else:
        yield ok("nodes", f"{len(found)} ready")
    yield from (note("node", str(one)) for one in strays_among(kube, found) if one.cordoned)


def why_not(node: Any) -> str:
    """Why a node takes no pods; empty when it does. Pure."""
    if not any(one.type == "Ready" and one.status == "True" for one in node.status.conditions or []):
        return "is not ready"
    if node.spec.unschedulable:
        return "is cordoned"
    taints = [one.key for one in node.spec.taints or [] if one.effect in ("NoSchedule", "NoExecute")]
    return f"is tainted ({taints[0]})" if taints else ""


def check_room(kube: Kube, request: Request) -> Iterator[Finding]:
    """What a storefront requests is free on the nodes that take pods, if there are any."""
    nodes = _nodes_that_take_pods(kube)
    if not nodes:
        return
    free = _free(kube, nodes)
    wanted = requested(one["spec"] for one in [*request.manifests, *request.guardian] if one["kind"] == "Deployment")
    said = f"{free[0]:.1f} processors and {free[1]:.0f} MiB are not requested by others"
    needs = f"{wanted[0]:.1f} processors and {wanted[1]:.0f} MiB for a storefront"
    if free[0] < wanted[0] or free[1] < wanted[1]:
        see = f"kubectl --context {kube.context} describe nodes"
        yield lacking("room", said, needs, f"add a node, or see who takes it: {see}")
    elif free[0] < PROCESSORS_A_STOREFRONT and not request.on_this_machine:
        yield note("room", f"{said}; {needs}", "it fits, but under load it wants 2 processors: say --jobs 1")
    else:
        yield ok("room", f"{said}; {needs}")


def requested(deployments: Iterable[Mapping[str, Any]]) -> Amounts:
    """What the pods of Deployments (their `spec`s) request together. Pure."""
    sums = [_of_pod(spec["template"]["spec"], spec.get("replicas", 1)) for spec in deployments]
    return sum(one[0] for one in sums), sum(one[1] for one in sums)


def check_images(kube: Kube, request: Request) -> Iterator[Finding]:
    """Which images a fresh storefront would have to pull; whether that works nobody knows before.

    An embedded cluster pulls none, and what it lacks is known from this machine.
    """
    nodes = [] if request.on_this_machine else _nodes_that_take_pods(kube)
    if not nodes:
        return
    there = [{full_name(name) for image in node.status.images or [] for name in image.names or []} for node in nodes]
    all_told = all(len(node.status.images or []) < _TOLD for node in nodes)
    wanted = sorted({image for one in [*request.manifests, *request.guardian] for image in _images(one)})
    absent = [image for image in wanted if not any(full_name(image) in images for images in there)]
    partly = [image for image in wanted if image not in absent and not all(full_name(image) in i for i in there)]
    if absent and request.cluster == "kind":
        yield note("images", f"not in the cluster yet: {', '.join(absent)}", "gameday up --cluster kind loads them")
        return
    for image in [one for one in absent if one.startswith(STOREFRONT) and all_told]:
        yield _nowhere(kube, image)
        absent.remove(image)
    if absent or partly:
        some = [f"{image} (on some nodes)" for image in partly]
        yield note("images", f"not on every node: {', '.join([*absent, *some])}", "nodes must reach their registry")
    elif wanted:
        yield ok("images", f"on every node: {', '.join(wanted)}")


def _nowhere(kube: Kube, image: str) -> Finding:
    """The storefront's image under a name that no registry has."""
    build = f"docker build --file Containerfile --tag {image} ."
    bring = f"{build} && docker push NAME, then say --image NAME".replace(image, "NAME")
    if kube.context.startswith(_KIND):
        bring = f"{build} && kind load docker-image {image} --name {kube.context.removeprefix(_KIND)}"
    again = "(loaded just now? ask again: nodes say once a minute what they have)"
    return not_allowed(
        "image", f"{image} is on no node, and in no registry", "the storefront's image", f"{bring} {again}"
    )


def full_name(image: str) -> str:
    """An image's name as a container runtime spells it. Pure.

    >>> full_name("postgres:18")
    'docker.io/library/postgres:18'
    >>> full_name("postgres:18@sha256:0")
    'docker.io/library/postgres@sha256:0'
    """
    name, at, digest = image.partition("@")
    if at and ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    if not at and ":" not in name.rpartition("/")[2]:
        name = f"{name}:latest"
    return f"{name}{at}{digest}"


def _images(manifest: Mapping[str, Any]) -> list[str]:
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    return [str(one["image"]) for one in [*pod.get("initContainers", []), *pod.get("containers", [])]]


def _nodes(kube: Kube) -> list[Any]:
    return list(kube.core.list_node(_request_timeout=TIMEOUT_S).items)


def _nodes_that_take_pods(kube: Kube) -> list[Any]:
    return [node for node in _nodes(kube) if not why_not(node)]


def _free(kube: Kube, nodes: list[Any]) -> Amounts:
    over = "status.phase!=Succeeded,status.phase!=Failed"
    pods: Any = kube.core.list_pod_for_all_namespaces(field_selector=over, _request_timeout=TIMEOUT_S).items
    names = {node.metadata.name for node in nodes}
    has = [_amounts(node.status.allocatable or {}) for node in nodes]
    taken = [_of_pod(kube.plain(pod.spec)) for pod in pods if pod.spec.node_name in names]
    processors, memory = (sum(one[i] for one in has) - sum(one[i] for one in taken) for i in (0, 1))
    return processors, memory


def _of_pod(spec: Mapping[str, Any], replicas: int = 1) -> Amounts:
    """What the scheduler counts: the containers together, or the init container that requests the most."""
    together, first = _requests(spec.get("containers")), _requests(spec.get("initContainers"))
    both = [max(sum(one[i] for one in together), *(one[i] for one in first), 0.0) for i in (0, 1)]
    return both[0] * replicas, both[1] * replicas


def _requests(containers: Iterable[Mapping[str, Any]] | None) -> list[Amounts]:
    return [_amounts((one.get("resources") or {}).get("requests") or {}) for one in containers or []]


def _amounts(resources: Mapping[str, Any]) -> Amounts:
    return float(quantity(str(resources.get("cpu", 0)))), float(quantity(str(resources.get("memory", 0)))) / _MIB
