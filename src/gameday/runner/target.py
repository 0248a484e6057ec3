"""Which cluster a command is about: a private embedded one, one that is up, or one of a kubeconfig."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from gameday.kube import ApiException, ClusterUnreachableError, Kube, connect
from gameday.ledger.calls import said
from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.kind import clusters
from gameday.runner.kind.state import State

if TYPE_CHECKING:
    from gameday.cluster import Running
    from gameday.runner.kind.state import Made

__all__ = [
    "LOCAL",
    "PROCESSORS_A_STOREFRONT",
    "Target",
    "check_namespace",
    "existing",
    "existing_for_run",
    "in_namespace",
]
__all__ += ["kind_cluster", "local", "private"]

LOCAL = "local"
"""The name of the embedded cluster that `gameday up` starts."""

_PREFIX = "gameday-"
_KIND = "kind-"
PROCESSORS_A_STOREFRONT = 2.0
"""A storefront under shoppers uses about one, and what Kubernetes itself does for it another."""


@dataclass(frozen=True)
class Target:
    """A cluster to attack. `namespace` is set when its storefront is already there.

    `lasting` says that the cluster outlives this process, and faults on it would too.
    """

    kubeconfig: Path
    context: str
    lasting: bool
    running: Running | None = None
    namespace: str | None = None
    host: str = ""
    made: Made | None = None
    """What is known of a kind cluster that is ours."""

    @property
    def embedded(self) -> bool:
        """Whether it is one of ours."""
        return self.running is not None

    def room(self) -> int:
        """How many storefronts a cluster that is not ours carries side by side; 1 where its nodes cannot be seen."""
        try:
            nodes = self.connect().core.list_node(_request_timeout=5).items
        except (ApiException, HTTPError, OSError):
            return 1
        each = [_processors((node.status.allocatable or {}).get("cpu", "0")) for node in nodes]
        # The nodes of a kind cluster are containers on one machine, and each counts all of it.
        processors = max(each, default=0.0) if self.context.startswith(_KIND) else sum(each)
        return max(1, int(processors / PROCESSORS_A_STOREFRONT))

    def connect(self) -> Kube:
        """A connection of one's own (a thread should not share one that is busy)."""
        return connect(kubeconfig=self.kubeconfig, context=self.context)

    def alive(self) -> bool:
        """Whether the cluster's daemon runs; True for a cluster that we do not run."""
        return self.running is None or self.running.alive()

    def log_hint(self) -> str:
        """Where to look when it is gone."""
        return str(self.running.state) if self.running else self.context

    def end(self) -> None:
        """Stop a private cluster; leave any other alone."""
        if self.running is not None and not self.lasting:
            self.running.stop()


def private(run_id: str) -> Target:
    """Start an embedded cluster that dies with this process. Raises EnvironmentFailure."""
    from gameday.cluster import ClusterError, start

    try:
        running = start(f"run-{run_id}", owned=True)
    except ClusterError as problem:
        raise EnvironmentFailure(str(problem)) from problem
    return _of(running, lasting=False)


def existing(context: str | None) -> Target:
    """The cluster by a context's name; without one, the current context if that is harmless, or `gameday up`'s.

    Harmless is an embedded or a kind cluster; any other context must be spelled out.
    Raises InvalidRequest when there is no such context, EnvironmentFailure when it does not answer.
    """
    if context == clusters.CONTEXT and State.here().read() is not None:
        return kind_cluster()
    if context is None and not os.environ.get("KUBECONFIG"):
        return local()
    found = _embedded(context) if context and context.startswith(_PREFIX) else None
    return found or _of_kubeconfig(context)


def local() -> Target:
    """The embedded cluster of `gameday up`. Raises InvalidRequest when none is up."""
    found = _embedded(LOCAL)
    if found is None:
        raise InvalidRequest("no cluster is up here; start one with 'gameday up', or name one with --context")
    return found


def kind_cluster() -> Target:
    """The cluster of `gameday up --cluster kind`. Raises InvalidRequest when none is up, EnvironmentFailure."""
    state = State.here()
    made = state.read()
    if made is None:
        raise InvalidRequest("no kind cluster of gameday's is up here; start one with 'gameday up --cluster kind'")
    try:
        kube = connect(kubeconfig=state.kubeconfig, context=clusters.CONTEXT)
        kube.check()
    except ClusterUnreachableError as problem:
        raise EnvironmentFailure(
            f"{problem}; does its engine run? 'gameday up --cluster kind' makes the cluster anew where that is needed"
        ) from problem
    return Target(state.kubeconfig, clusters.CONTEXT, lasting=True, host=_host(kube), made=made)


def existing_for_run(context: str | None, namespace: str | None) -> Target | None:
    """Where a game day runs: in place in a namespace, or in fresh ones of a named cluster; None: on a private one."""
    if context is None and namespace is None:
        return None
    return in_namespace(existing(context), namespace)


def in_namespace(target: Target, namespace: str | None) -> Target:
    """The same cluster, in place in a namespace if one is given. Raises InvalidRequest when that does not take part."""
    if namespace is not None:
        check_namespace(target.connect(), namespace)
    return replace(target, namespace=namespace)


def check_namespace(kube: Kube, namespace: str) -> None:
    """The namespace is there and takes part. Raises InvalidRequest saying how to let it."""
    from gameday.activities import guard  # late: the activities bring Chaos Toolkit along

    try:
        guard.check_namespace(kube, namespace)
    except (guard.NotAllowedError, ApiException) as problem:
        raise InvalidRequest(said(problem)) from problem


def _embedded(context: str) -> Target | None:
    from gameday.cluster import find

    running = find(context.removeprefix(_PREFIX))
    return _of(running, lasting=True) if running is not None else None


def _of(running: Running, *, lasting: bool) -> Target:
    kube = connect(kubeconfig=running.kubeconfig, context=running.context)
    return Target(running.kubeconfig, running.context, lasting, running, host=_host(kube))


def _of_kubeconfig(context: str | None) -> Target:
    try:
        kube = connect(context=context)
    except ClusterUnreachableError as problem:
        raise InvalidRequest(f"{problem}; see 'kubectl config get-contexts' and 'gameday status'") from problem
    if context is None and not kube.is_harmless():
        raise InvalidRequest(
            f"the current context {kube.context} is neither embedded nor kind; to use it say --context {kube.context}"
        )
    try:
        kube.check()
    except ClusterUnreachableError as problem:
        raise EnvironmentFailure(str(problem)) from problem
    file = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    return Target(Path(file), kube.context, lasting=True, host=_host(kube))


def _processors(quantity: str) -> float:
    """A Kubernetes quantity of processors: `1930m` or `4`; 0 for anything else."""
    number, unit = (quantity[:-1], 1000.0) if quantity.endswith("m") else (quantity, 1.0)
    return float(number) / unit if number.replace(".", "", 1).isdigit() else 0.0


def _host(kube: Kube) -> str:
    return urlsplit(str(kube.client.configuration.host)).hostname or ""
