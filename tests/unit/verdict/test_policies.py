"""Which activities of an experiment set a NetworkPolicy, seen from its file alone."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.activities.policies import PolicyWatch, policy_actions


def activity(module: str, func: str) -> dict[str, Any]:
    """An action of that name."""
    return {"name": func, "type": "action", "provider": {"type": "python", "module": module, "func": func}}


OURS = activity("gameday.activities.network", "delay_requests")
NETWORKING = "chaosk8s.networking.actions"


@pytest.mark.parametrize("func", ["create_network_policy", "deny_all_ingress", "deny_all_egress", "allow_dns_access"])
def test_an_action_that_sets_a_policy_is_named(func: str) -> None:
    """In the method, the hypothesis, the rollbacks or a control, beside whatever else; no cluster is asked."""
    deny = activity(NETWORKING, func)
    assert policy_actions({"method": [OURS, deny]}) == [func]
    assert policy_actions({"method": [OURS], "rollbacks": [deny]}) == [func]
    assert policy_actions({"method": [OURS], "steady-state-hypothesis": {"probes": [deny]}}) == [func]
    assert policy_actions({"method": [OURS], "controls": [deny]}) == [func]
    assert policy_actions({"method": [{**OURS, "tolerance": deny}]}) == [func]
    assert policy_actions({"configuration": {"x": deny}, "method": [OURS]}) == [func]
    assert func in PolicyWatch({"method": [OURS, deny]}).unproven(None, "shop")[0]


def test_other_actions_are_not() -> None:
    """Our own, and those that take a policy away or concern Ingresses."""
    others = [OURS, activity(NETWORKING, "remove_deny_all_ingress"), activity(NETWORKING, "create_ingress")]
    assert policy_actions({"method": others}) == []
    assert PolicyWatch({"method": others}).unproven(None, "shop") == ()
