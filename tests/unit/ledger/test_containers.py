"""The JSON patches of a container's field, each way, and the strategic merge that a person may type: all lead back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gameday.cluster import patches
from gameday.ledger import SetContainer, SetServicePorts, containers
from gameday.ledger.onsets import onset

CONTAINER: dict[str, Any] = {
    "name": "web",
    "image": "shop:v1",
    "args": ["a"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
}


def deployment(**changes: Any) -> dict[str, Any]:
    """A Deployment whose second container is the one to be changed."""
    container = {k: v for k, v in {**CONTAINER, **changes}.items() if v is not None}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "sidecar"}, container]}}
    return {"kind": "Deployment", "metadata": {"name": "web", "uid": "u"}, "spec": {"template": template}}


def change_of(body: dict[str, Any], field: str, fault: Any, variable: str | None = None) -> SetContainer:
    """The undo of a change of that field."""
    position = containers.position_of(body, "web", variable) if variable else 0
    old = containers.value_of(body, "web", field, variable)
    return SetContainer("web", "u", "web", field, variable, position, "f-1", old, fault)


CHANGES: list[tuple[str, Any, str | None]] = [
    ("image", "shop:v2", None),
    ("command", ["x"], None),
    ("args", ["b", "c"], None),
    ("args", None, None),
    ("ports", [{"name": "http", "containerPort": 9, "protocol": "TCP"}], None),
    ("resources", {"requests": {"cpu": "64"}}, None),
    ("livenessProbe", {"tcpSocket": {"port": 9}}, None),
    ("livenessProbe", None, None),
    ("readinessProbe", {"tcpSocket": {"port": 9}}, None),
    ("env", {"name": "A", "value": "2"}, "A"),
    ("env", {"name": "B", "value": "2"}, "B"),
    ("env", {"name": "C", "value": "3"}, "C"),
    ("env", None, "A"),
    ("env", None, "B"),
]


@pytest.mark.parametrize(("field", "fault", "variable"), CHANGES)
def test_a_change_leads_there_and_back(field: str, fault: Any, variable: str | None) -> None:
    """The fault's value and label are set; the undo leaves what was there, in the same order."""
    before = deployment()
    change = change_of(before, field, fault, variable)
    during = patches.apply_operations(copy.deepcopy(before), containers.onset(before, change))
    assert containers.value_of(during, "web", field, variable) == fault
    assert containers.label_of(during) == "f-1"
    assert patches.apply_operations(copy.deepcopy(during), containers.undoing(during, change)) == before


@pytest.mark.parametrize(("field", "fault", "variable"), CHANGES)
def test_the_line_for_people_leads_back_too(field: str, fault: Any, variable: str | None) -> None:
    """It knows names alone; the order of variables is the one thing that it may change."""
    before = deployment()
    change = change_of(before, field, fault, variable)
    during = patches.apply_operations(copy.deepcopy(before), containers.onset(before, change))
    mended = patches.strategic_merge(during, containers.strategic(change))
    assert containers.label_of(mended) is None
    for name, value in CONTAINER.items():
        assert _sorted(containers.value_of(mended, "web", name)) == _sorted(value), name


def _sorted(value: Any) -> Any:
    return sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(value, list) else value


@pytest.mark.parametrize("listed", [None, [{"name": "A", "value": "1"}]])
def test_the_list_comes_and_goes_with_its_only_variable(listed: Any) -> None:
    """An empty list is not what was there before, and servers drop it."""
    before = deployment(env=listed)
    change = change_of(before, "env", None if listed else {"name": "A", "value": "1"}, "A")
    during = patches.apply_operations(copy.deepcopy(before), containers.onset(before, change))
    assert ("env" in containers.container_at(during, "web")[1]) == (not listed)  # type: ignore[index]  # it is there
    assert patches.apply_operations(copy.deepcopy(during), containers.undoing(during, change)) == before


def test_what_another_changed_meanwhile_refuses_the_whole_patch() -> None:
    """Another value, another uid, another container at that place: the server's tests say no."""
    before = deployment()
    change = change_of(before, "image", "shop:v2")
    patch = containers.onset(before, change)
    others = [deployment(image="shop:v3"), deployment(name="other"), deployment()]
    others[2]["metadata"]["uid"] = "another"
    for other in others:
        with pytest.raises(patches.PatchError):
            patches.apply_operations(copy.deepcopy(other), patch)


def test_a_label_alone_is_taken_off() -> None:
    """Somebody put the value back, and left the label."""
    before = deployment()
    change = change_of(before, "image", "shop:v2")
    labelled = deployment()
    labelled["spec"]["template"]["metadata"]["labels"]["gameday.dev/fault"] = "f-1"
    assert patches.apply_operations(copy.deepcopy(labelled), containers.undoing(labelled, change)) == before


def test_a_service_gets_its_ports_back() -> None:
    """The whole list, provided that it is still the fault's."""
    change = SetServicePorts("web", "u", [{"port": 80, "targetPort": "http"}], [{"port": 80, "targetPort": 9}])
    before = {"metadata": {"uid": "u"}, "spec": {"ports": change.old}}
    during = patches.apply_operations(copy.deepcopy(before), onset(change))
    assert during["spec"]["ports"] == change.fault
    assert patches.apply_operations(copy.deepcopy(during), containers.ports_undoing(change)) == before
    with pytest.raises(patches.PatchError):
        patches.apply_operations(copy.deepcopy(before), containers.ports_undoing(change))
