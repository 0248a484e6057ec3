"""The kubectl lines that mend by hand."""

from __future__ import annotations

import shlex

import pytest

from gameday.ledger import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteMade,
    NoUndo,
    Operation,
    SetConfig,
    SetReplicas,
    SetSelector,
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
        (DeleteMade("Service", "s"), ["delete", "service", "s", "--ignore-not-found"]),
        (ClearFault("web"), ["rollout", "restart", "deployment/web-gameday-proxy"]),
        (ClearAnnotation("refresh.gameday.dev/a"), ["annotate", "pods", "--all", "refresh.gameday.dev/a-"]),
        (ClearLabel("ready.gameday.dev/a"), ["label", "pods", "--all", "ready.gameday.dev/a-"]),
        (Uncordon("worker-1", "u"), ["uncordon", "worker-1"]),
        (NoUndo(), ["get", "pods"]),
    ],
)
def test_each_operation_has_a_command_a_shell_can_take(operation: Operation, ends_with: list[str]) -> None:
    """Context and namespace are spelled out, values are quoted."""
    words = shlex.split(mend_command("kind-a", "shop", operation))
    assert words == ["kubectl", "--context", "kind-a", "-n", "shop", *ends_with]
