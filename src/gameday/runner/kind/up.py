"""`gameday up --cluster kind`, step by step: each is safe to repeat, and what an interrupted one made is taken down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gameday.runner import deploy, guardians
from gameday.runner.errors import EnvironmentFailure, GamedayError, InvalidRequest
from gameday.runner.interrupts import undisturbed
from gameday.runner.kind import clusters
from gameday.runner.kind.image import build
from gameday.runner.kind.state import Made
from gameday.runner.kind.tools import find_engine, find_kind
from gameday.runner.rendering import Renderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.kind.clusters import Nodes, Wanted
    from gameday.runner.kind.images import Images
    from gameday.runner.kind.state import State
    from gameday.runner.kind.tools import Engine, Kind
    from gameday.runner.rendering import Manifest

__all__ = ["Site", "deploy_shop", "engine_of", "ensure_cluster", "is_whole", "take_down"]

OVERLAY = "kind"
READY_S = 240.0
_THEIRS = (
    f"a kind cluster named {clusters.NAME} is here that this gameday did not make: it is left alone; if nobody needs "
    f"it: kind delete cluster --name {clusters.NAME}"
)


@dataclass(frozen=True)
class Site:
    """Where a kind cluster is made: what it is made of, and who is told how far it has come.

    Args:
        state: what is remembered of it.
        catalogue: the manifests.
        images: which images they name.
        say: gets a line for each step.
        ready_s: how many seconds the nodes may take until they are ready, and then the shop.
    """

    state: State
    catalogue: Catalogue
    images: Images
    say: Callable[[str], None]
    ready_s: float = READY_S

    def renderer(self, image: str, *, data: str = "small", stays: bool = False) -> Renderer:
        """What renders storefronts of that image; `stays`: the one on the port that the cluster maps."""
        more = [self.catalogue.k8s / "kind" / "mapped-port"] if stays else []
        images = self.images.replacements()
        return Renderer(self.catalogue, overlay=OVERLAY, image=image, images=images, data=data, components=more)


def is_whole(state: State) -> bool:
    """Whether our cluster is up. Raises EnvironmentFailure when its engine does not answer."""
    if state.read() is None:
        return False
    there = clusters.find_nodes(engine_of(state), state)
    return there is not None and there.ours and there.all_run


def engine_of(state: State) -> Engine:
    """The engine that has our cluster, or any when there is none. Raises EnvironmentFailure when it is another now."""
    known = state.engine
    if known is None:
        return find_engine()
    name, identity = known
    engine = find_engine(name)
    if engine.identity() != identity:
        raise EnvironmentFailure(
            f"the kind cluster here was made with another {name} than the one that answers now; lead to that one "
            f"(DOCKER_HOST, {name} context), or, when it is no more, remove {state.folder}"
        )
    return engine


def ensure_cluster(
    site: Site, wanted: Wanted, *, keep: bool, for_runs: bool = False, then: Callable[[Kube, Made], None] | None = None
) -> None:
    """See to it that our cluster is up, ready, and has its images.

    Args:
        site: where.
        wanted: what it is to be; one that is there already must be that.
        keep: leave what was made just now for a look, should anything go wrong.
        for_runs: one that is made just now is to go with the last run that is in it.
        then: what is to be done with it while it is still held; is given the connection and what was made. Should that
            fail, one that was made just now is taken down.

    Raises InvalidRequest: there is one of our name that is not ours, or not as wanted, or another gameday is at it.
    Raises EnvironmentFailure: a program is missing, the image cannot be built, a node is never ready, and the like.
    """
    with site.state.held() as lock:
        engine = engine_of(site.state)
        kind = find_kind(engine)
        there = _found(kind, site, lock)
        made = site.state.read() if there else None
        if made is not None:
            _refuse_other(made, wanted)
            now = replace(made, for_runs=made.for_runs and for_runs)
        else:
            planned = clusters.plan(site.catalogue, wanted)
            now = Made(planned.nodes, planned.port, planned.node_image or "", "", for_runs=for_runs)
        site.say("building the storefront's image, unless it is there")
        image = build(engine, site.images, site.catalogue)
        named = _images(site, image)
        try:
            if made is None:
                site.say("making the kind cluster, which takes about a minute")
                clusters.create(kind, site.state, planned, lock=lock, keep=keep, heard=site.say)
            kube = clusters.await_nodes(site.state, site.say, timeout_s=site.ready_s)
            there = clusters.find_nodes(engine, site.state)
            assert there is not None
            clusters.load(kind, there, named, site.say)
            now = replace(now, image=image)
            site.state.write(now)
            if then is not None:
                then(kube, now)
        except BaseException:
            if made is None and not keep:
                _clear_up(kind, site, lock)
            raise


def _found(kind: Kind, site: Site, lock: int) -> Nodes | None:
    """Our cluster, when it is there and whole; what is left of one is deleted."""
    there = clusters.find_nodes(kind.engine, site.state)
    if there is None:
        site.state.forget()
        return None
    if not there.ours:
        raise InvalidRequest(_THEIRS)
    if there.all_run and site.state.read() is not None:
        return there
    why = "some of its nodes do not run" if not there.all_run else "an earlier 'gameday up' did not come to its end"
    site.say(f"the kind cluster that is here is not whole ({why}): it is deleted and made anew")
    clusters.delete(kind, site.state, lock=lock)
    return None


def _refuse_other(made: Made, wanted: Wanted) -> None:
    asked = {"--nodes": wanted.nodes, "--shop-port": wanted.shop_port, "--image": wanted.node_image}
    has = {"--nodes": made.nodes, "--shop-port": made.shop_port, "--image": made.node_image or "kind's own"}
    if made.data:
        asked["--data"], has["--data"] = wanted.data, made.data
    for option, value in asked.items():
        if value is not None and value != has[option]:
            raise InvalidRequest(
                f"the kind cluster is up already with {option} {has[option]}, not {value}; leave the option out, or "
                "say 'gameday down --cluster kind' first"
            )


def _images(site: Site, image: str) -> list[str]:
    """Every image that the storefront's pods name."""
    pods = [one["spec"]["template"]["spec"] for one in site.renderer(image).render() if one["kind"] == "Deployment"]
    named = [c["image"] for pod in pods for c in [*pod.get("initContainers", ()), *pod["containers"]]]
    return list(dict.fromkeys(named))


def _clear_up(kind: Kind, site: Site, lock: int) -> None:
    """Take down what was made, if anything was: somebody else may have made one of that name meanwhile."""
    with undisturbed():
        try:
            there = clusters.find_nodes(kind.engine, site.state)
            if there is not None and not there.ours:
                return
            if there is not None:
                site.say("taking down what was made of the kind cluster")
                clusters.delete(kind, site.state, lock=lock)
            site.state.forget()
            site.say("nothing of the kind cluster is left")
        except GamedayError as problem:  # what ended us is told anyway
            site.say(f"it could not be taken down: {problem}; say 'gameday down --cluster kind'")


def deploy_shop(site: Site, kube: Kube, namespace: str, manifests: list[Manifest], watch: list[Manifest]) -> None:
    """Put the storefront and its guardian into a namespace, or bring them up to date, and wait until they serve.

    Raises InvalidRequest while faults are on record there, EnvironmentFailure when it is refused or never ready.
    """
    from gameday.ledger import Ledger
    from gameday.ledger.mending import revert_command

    if deploy.ensure_namespace(kube, namespace, deploy.UP):
        site.say(f"deploying the storefront in namespace {namespace}")
        deploy.apply(kube, namespace, manifests)
    else:
        entries, broken = Ledger(kube, namespace).read()
        if entries or broken:
            raise InvalidRequest(
                f"namespace {namespace}: {len(entries) + len(broken)} faults are on record there; undo them first: "
                f"{revert_command(clusters.CONTEXT, namespace)}"
            )
        site.say(f"bringing the storefront in namespace {namespace} up to date")
        deploy.update(kube, namespace, manifests)
    guardians.install(kube, namespace, watch, timeout_s=site.ready_s)
    deploy.await_ready(kube, namespace, timeout_s=site.ready_s, told=site.say)


def take_down(state: State, say: Callable[[str], None]) -> bool:
    """End our cluster and forget it; returns whether there was any.

    Raises InvalidRequest for one that is not ours, or that a run is in.
    """
    with state.held() as lock, state.unused():
        engine = engine_of(state)
        kind = find_kind(engine)
        there = clusters.find_nodes(engine, state)
        if there is not None and not there.ours:
            raise InvalidRequest(_THEIRS)
        if there is not None:
            say(f"deleting {len(there.names)} nodes")
            with undisturbed():
                clusters.delete(kind, state, lock=lock)
        state.remove()
    return there is not None
