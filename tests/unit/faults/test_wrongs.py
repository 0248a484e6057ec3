"""What a manifest fault makes of a field, and what it leaves alone because it may be a secret."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.activities import wrongs
from gameday.activities.fates import Fate, fate_of, shows
from gameday.activities.guard import NotAllowedError
from gameday.ledger import SetContainer


def test_a_change_is_merged_and_null_removes() -> None:
    """As a JSON merge patch does it; what was there is not changed in place."""
    old = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1}
    assert wrongs.merged(old, {"httpGet": {"path": "/x"}, "periodSeconds": None}) == {
        "httpGet": {"path": "/x", "port": "http"}
    }
    assert wrongs.merged(None, {"limits": {"cpu": "1"}}) == {"limits": {"cpu": "1"}}
    assert old["httpGet"] == {"path": "/readyz", "port": "http"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("env", {"name": "DB_PASSWORD", "value": "x"}),
        ("env", {"name": "A", "value": "my-secret"}),
        ("env", {"name": "api_key", "value": "x"}),
        ("env", {"name": "DSN", "value": "postgres://shop:hush@db/shop"}),
        ("command", ["serve", "--token=x"]),
        ("readinessProbe", {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "Basic x"}]}}),
    ],
)
def test_what_looks_like_a_secret_is_not_touched(field: str, value: Any) -> None:
    """By its name or by its value, and neither the old nor the new one."""
    for values in ((value, None), (None, value)):
        with pytest.raises(NotAllowedError, match="looks like a secret"):
            wrongs.refuse_secrets("here", field, *values)


def test_a_reference_to_a_secret_is_none() -> None:
    """It says where the secret is, not what."""
    reference = {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    wrongs.refuse_secrets("here", "env", reference, None)
    with pytest.raises(NotAllowedError):
        wrongs.refuse_secrets("here", "env", reference, {"name": "DB_PASSWORD", "value": "x"})


def change(field: str, fault: Any) -> SetContainer:
    """A change of that field of the container `web`."""
    return SetContainer("web", "u", "web", field, None, 0, "f", None, fault)


def pod(**status: Any) -> dict[str, Any]:
    """A pod whose status has these fields."""
    return {"metadata": {"name": "web-1", "uid": "u"}, "status": status}


def container(state: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The statuses of a pod's containers."""
    return [{"name": "sidecar", "state": {"running": {}}}, {"name": "web", "state": state, **more}]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, ""),
        ({"containerStatuses": container({"waiting": {"reason": "ContainerCreating"}})}, ""),
        ({"containerStatuses": container({"waiting": {"reason": "ErrImagePull"}})}, "ErrImagePull"),
        ({"containerStatuses": container({"running": {}})}, "Running"),
        ({"containerStatuses": container({"terminated": {"reason": "Error"}})}, "Error"),
        (
            {
                "containerStatuses": container(
                    {"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"reason": "OOMKilled"}}
                )
            },
            "OOMKilled",
        ),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
    ],
)
def test_a_pods_fate_is_what_kubelet_and_scheduler_say(status: dict[str, Any], state: str) -> None:
    """Empty as long as the change has met nothing."""
    found = fate_of(pod(**status), "web", ready=False)
    assert found.state == state
    assert shows(found, change("image", "x")) == bool(state)


def test_resources_show_only_when_they_have_an_effect() -> None:
    """A running pod alone is no proof; a kubelet that says what the container has is one."""
    limits = {"limits": {"memory": "8Mi"}}
    asked = change("resources", limits)
    assert not shows(Fate("web-1", "u", "Running", True), asked)
    assert not shows(Fate("web-1", "u", "Running", True, {"limits": {"memory": "256Mi"}}), asked)
    assert shows(Fate("web-1", "u", "Running", True, limits), asked)
    assert shows(Fate("web-1", "u", "OOMKilled", False), asked)
    assert shows(Fate("web-1", "u", "Unschedulable", False), asked)
