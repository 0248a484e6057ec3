"""What may be attacked: named clusters, opted-in namespaces, and selectors that match something, up to a cap.

Every fault asks here before it does anything. Undoing never asks: it is always allowed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import reach
from gameday.activities.caps import Caps
from gameday.activities.targets import ENDED, staying
from gameday.allowlist import Allowance
from gameday.ledger.calls import NOT_FOUND, find, persist
from gameday.ledger.exchange import ExchangeError, exchange
from gameday.ledger.lease import GUARDIAN
from gameday.ledger.proxies import PROXY_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.kube import Kube

ALLOWED_LABEL = "gameday.dev/allowed"
"""A namespace takes part when it carries this label with the value `true`."""

_TEST_CARTS = 10
"""Of a shop that is half another one, one time in a thousand none would go astray."""

_caps = Caps()
_may_drain = False


class NotAllowedError(ActivityFailed):  # type: ignore[misc]  # chaoslib has no types
    """The guard refused: nothing was touched. The message says what to do to allow it."""


def is_protected(namespace: str) -> bool:
    """Whether a namespace is never attacked, whatever its labels: `default` and `kube-*`. Pure."""
    return namespace == "default" or namespace.startswith("kube-")


def check_context(kube: Kube) -> None:
    """Raise NotAllowedError unless the cluster is an embedded or a kind one, or was named in $KUBERNETES_CONTEXT.

    A kubeconfig's current context is whatever its owner used last: no word that this cluster may be attacked.
    """
    if not kube.is_harmless() and os.environ.get("KUBERNETES_CONTEXT") != kube.context:
        raise NotAllowedError(
            f"the current context {kube.context} is neither embedded nor kind; to attack it all the same spell it out: "
            f"KUBERNETES_CONTEXT={kube.context} (gameday run: --context {kube.context})"
        )


def check_namespace(kube: Kube, namespace: str) -> None:
    """Raise NotAllowedError unless the namespace exists, has opted in, and is not a protected one."""
    if is_protected(namespace):
        raise NotAllowedError(f"namespace {namespace}: is never attacked; use one of your own")
    found = find(kube.core.read_namespace, namespace)
    if found is None:
        raise NotAllowedError(f"namespace {namespace}: does not exist in context {kube.context}")
    value = (found.metadata.labels or {}).get(ALLOWED_LABEL)
    if value != "true":
        raise NotAllowedError(
            f"namespace {namespace}: label {ALLOWED_LABEL} is {value!r}, expected 'true'; to opt in: "
            f"kubectl --context {kube.context} label namespace {namespace} {ALLOWED_LABEL}=true"
        )


def check_shop(kube: Kube, namespace: str, url: str) -> None:
    """Raise NotAllowedError unless `url` leads into that namespace: a cart opened there is known to its cart Service.

    Judging one shop while faults are set in another could end in a false pass. Raises ExchangeError when the cart
    Service does not answer: then nobody can tell.
    """
    books = reach.service_url(kube, namespace, "cart")
    for _ in range(_TEST_CARTS):  # a connection each: a balancer before two shops would send some to the other
        try:
            cart = exchange(f"{url}/cart/items", method="POST", body={"product": "p001", "quantity": 1})["cart"]
        except (ExchangeError, LookupError, TypeError) as problem:
            raise NotAllowedError(
                f"{url}: no cart can be opened there, so it is not known to be the shop: {problem}"
            ) from None
        try:
            exchange(f"{books}/carts/{cart}")
        except ExchangeError as problem:
            if problem.status != NOT_FOUND:  # it cannot tell
                raise
            raise NotAllowedError(
                f"{url}: leads to another shop than the one in namespace {namespace}, which does not know a cart "
                f"opened there ({problem}); give the URL of this namespace's edge"
            ) from problem


def set_caps(caps: Caps) -> None:
    """From now on every fault of this process keeps to these; the control sets them from its arguments."""
    global _caps  # noqa: PLW0603  # chaoslib calls plain functions: there is nowhere else to keep it
    _caps = caps


def select_pods(kube: Kube, namespace: str, label_selector: str, *, together: bool = True) -> list[Any]:
    """The pods that a selector matches, those being deleted or ended left out.

    `together`: the fault has all of them down at the same time. One that goes round among them asks `room` instead,
    before it takes another. Raises NotAllowedError when the selector is empty, matches none, or the caps
    (`guard` in the control's arguments) do not allow so many.
    """
    if not label_selector.strip():
        raise NotAllowedError(f"namespace {namespace}: the label selector is empty and would match every pod")
    pods = _live(persist(kube.core.list_namespaced_pod, namespace, label_selector=label_selector).items)
    if not pods:
        raise NotAllowedError(
            f"namespace {namespace}: 0 pods match {label_selector!r}, expected at least 1; "
            f"see kubectl -n {namespace} get pods --show-labels"
        )
    why = _caps.refusal(len(pods) if together else 1, len(shop_pods(kube, namespace)))
    if why is not None:
        raise NotAllowedError(f"namespace {namespace}, selector {label_selector!r}: {why}")
    return pods


def allow_drain(*, allowed: bool) -> None:
    """Say whether this process's experiment may drain a node; the control does, by its arguments."""
    global _may_drain  # noqa: PLW0603  # as for the caps
    _may_drain = allowed


def drain_is_allowed() -> bool:
    """Whether somebody has allowed the draining of a node: the experiment's control, or the environment."""
    return _may_drain or Allowance.of_environment().drain


def check_hit(kube: Kube, namespace: str, hit: int) -> None:
    """Raise NotAllowedError when the caps do not allow a fault to have `hit` pods down at the same time."""
    why = _caps.refusal(hit, len(shop_pods(kube, namespace)))
    if why is not None:
        raise NotAllowedError(f"namespace {namespace}: {why}")


def room(of: int) -> int:
    """How many of a namespace's `of` pods one fault may have down at the same time, as the caps say."""
    return _caps.most(of)


def shop_pods(kube: Kube, namespace: str) -> list[Any]:
    """The pods that a share is a share of: not the guardian, nor fault proxies."""
    pods = _live(persist(kube.core.list_namespaced_pod, namespace).items)
    return [pod for pod in pods if not is_gamedays(pod.metadata.labels or {})]


def is_gamedays(labels: Mapping[str, str]) -> bool:
    """Whether a pod with these labels is Gameday's own, no part of the shop. Pure."""
    return PROXY_LABEL in labels or labels.get("app") == GUARDIAN


def _live(pods: Iterable[Any]) -> list[Any]:
    return [pod for pod in staying(pods) if pod.status.phase not in ENDED]
