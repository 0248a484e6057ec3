"""The kubectl lines that mend by hand."""

from __future__ import annotations

import shlex

import pytest

from gameday.ledger import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteFaultSets,
    DeleteMade,
    NoUndo,
    Operation,
    SetConfig,
    SetContainer,
    SetReplicas,
    SetSelector,
    SetServicePorts,
    Uncordon,
)
from gameday.ledger.mending import mend_command


@pytest.mark.parametrize(
    ("operation", "ends_with"),
    [
        (SetReplicas("web", "u", 2, 0), ["scale", "deployment", "web", "--replicas=2"]),
        (
            SetSelector("web", "u", {"app": "web"}, {"p": "web"}),
            ["patch", "service", "web", "--type=merge", "-p", '{"spec": {"selector": {"p": null, "app": "web"}}}'],
        ),
        (
            SetConfig("c", "u", {"k": "it's"}, {"k": "x"}),
            ["patch", "configmap", "c", "--type=merge", "-p", '{"data": {"k": "it\'s"}}'],
        ),
        (
            SetServicePorts("s", "u", [{"port": 80}], [{"port": 81}]),
            [
                *("patch", "service", "s", "--type=json", "-p"),
                '[{"op": "replace", "path": "/spec/ports", "value": [{"port": 80}]}]',
            ],
        ),
        (
            SetContainer("web", "u", "main", "image", None, 0, "f-1", "a:1", "a:2"),
            [
                *("patch", "deployment", "web", "--type=strategic", "-p"),
                (
                    '{"spec": {"template": {"metadata": {"labels": {"gameday.dev/fault": null}}, '
                    '"spec": {"containers": [{"name": "main", "image": "a:1"}]}}}}'
                ),
            ],
        ),
        (DeleteFaultSets("web", "f-1"), ["delete", "replicasets", "-l", "gameday.dev/fault=f-1"]),
        (DeleteMade("Service", "s"), ["delete", "service", "s", "--ignore-not-found"]),
        (ClearFault("web"), ["rollout", "restart", "deployment/web-gameday-proxy"]),
        (ClearAnnotation("refresh.gameday.dev/a"), ["annotate", "pods", "--all", "refresh.gameday.dev/a-"]),
        (ClearLabel("ready.gameday.dev/a"), ["label", "pods", "--all", "ready.gameday.dev/a-"]),
        (
            Uncordon("worker-1", "u"),
            [
                *("patch", "node", "worker-1", "--type=merge", "-p"),
                '{"metadata": {"annotations": {"gameday.dev/cordoned": null}}, "spec": {"unschedulable": null}}',
            ],
        ),
        (NoUndo(), ["get", "pods"]),
    ],
)
def test_each_operation_has_a_command_a_shell_can_take(operation: Operation, ends_with: list[str]) -> None:
    """Context and namespace are spelled out, values are quoted."""
    words = shlex.split(mend_command("kind-a", "shop", operation))
    assert words == ["kubectl", "--context", "kind-a", "-n", "shop", *ends_with]
