"""What may be attacked: opted-in namespaces, and selectors that match something, up to a cap.

Every fault asks here before it does anything. Undoing never asks: it is always allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import reach
from gameday.activities.targets import ENDED
from gameday.ledger.calls import NOT_FOUND, find, persist
from gameday.ledger.exchange import ExchangeError, exchange

if TYPE_CHECKING:
    from gameday.kube import Kube

ALLOWED_LABEL = "gameday.dev/allowed"
"""A namespace takes part when it carries this label with the value `true`."""

_TEST_CARTS = 10
"""Of a shop that is half another one, one time in a thousand none would go astray."""

MAX_PODS = 50
"""Pods that one fault may hit."""


class NotAllowedError(ActivityFailed):  # type: ignore[misc]  # chaoslib has no types
    """The guard refused: nothing was touched. The message says what to do to allow it."""


def is_protected(namespace: str) -> bool:
    """Whether a namespace is never attacked, whatever its labels: `default` and `kube-*`. Pure."""
    return namespace == "default" or namespace.startswith("kube-")


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


def select_pods(kube: Kube, namespace: str, label_selector: str, *, at_most: int = MAX_PODS) -> list[Any]:
    """The pods that a selector matches, those being deleted or ended left out.

    Raises NotAllowedError when the selector is empty, matches none, or more than `at_most`.
    """
    if not label_selector.strip():
        raise NotAllowedError(f"namespace {namespace}: the label selector is empty and would match every pod")
    found = persist(kube.core.list_namespaced_pod, namespace, label_selector=label_selector).items
    pods = [pod for pod in found if pod.metadata.deletion_timestamp is None and pod.status.phase not in ENDED]
    if not pods:
        raise NotAllowedError(
            f"namespace {namespace}: 0 pods match {label_selector!r}, expected at least 1; "
            f"see kubectl -n {namespace} get pods --show-labels"
        )
    if len(pods) > at_most:
        raise NotAllowedError(
            f"namespace {namespace}: {len(pods)} pods match {label_selector!r}, at most {at_most} may be hit; "
            "narrow the selector"
        )
    return pods
