"""NetworkPolicies that an experiment sets. Many clusters accept them and enforce none, so they prove nothing.

Found by the actions that a file names, and, when a file calls anything that is not ours, by
asking the cluster afterwards which policies came, changed or went meanwhile. What is found
keeps the verdict from being passed: nothing here proves that a policy was enforced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.activities.foreign import calls_others
from gameday.allowlist import activities_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.kube import Kube

__all__ = ["PolicyWatch", "policy_actions"]

_SETTERS = ("create_network_policy", "deny_all_ingress", "deny_all_egress", "allow_dns_access")
_TIMEOUT_S = 5


def policy_actions(experiment: Mapping[str, Any]) -> list[str]:
    """The names of the activities that call chaostoolkit-kubernetes to set a NetworkPolicy."""
    return [
        name
        for name, provider in activities_of(experiment)
        if str(provider.get("module", "")).startswith("chaosk8s.") and provider.get("func") in _SETTERS
    ]


class PolicyWatch:
    """Which NetworkPolicies of a namespace an experiment has to do with."""

    def __init__(self, experiment: Mapping[str, Any]) -> None:
        """Nothing is asked yet."""
        self._named = policy_actions(experiment)
        self._looks = calls_others(experiment)
        self._since: str | None = None

    def begin(self, kube: Kube, namespace: str) -> None:
        """Note what there is, if the experiment may change it. Raises what the API client raises."""
        if self._looks:
            found = self._networking(kube).list_namespaced_network_policy(namespace, _request_timeout=_TIMEOUT_S)
            self._since = found.metadata.resource_version

    def unproven(self, kube: Kube | None, namespace: str) -> tuple[str, ...]:
        """What the experiment did with NetworkPolicies, or why one cannot tell; each a phrase for the verdict."""
        named = [f"the activity {name} sets a NetworkPolicy" for name in self._named]
        if named or kube is None or self._since is None:
            return tuple(named)
        from kubernetes import watch  # late: seldom needed

        stream: Any = watch.Watch
        try:
            events = stream().stream(
                self._networking(kube).list_namespaced_network_policy, namespace, resource_version=self._since,
                timeout_seconds=1, _request_timeout=_TIMEOUT_S,
            )  # fmt: skip
            changed = {event["object"].metadata.name for event in events}
        except Exception as problem:  # noqa: BLE001  # whatever it is, one cannot tell
            said = " ".join(str(problem).split())[:200]
            return (f"the cluster does not say which NetworkPolicies were set ({type(problem).__name__}: {said})",)
        return tuple(f"NetworkPolicy {name} was set or removed meanwhile" for name in sorted(changed))

    @staticmethod
    def _networking(kube: Kube) -> Any:
        from kubernetes.client import NetworkingV1Api

        return NetworkingV1Api(kube.client)
