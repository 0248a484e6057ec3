"""The kubectl line that does by hand what an undo operation does. Pure."""

from __future__ import annotations

import json
import shlex
from typing import Any

from gameday.ledger import containers
from gameday.ledger.book import LEDGER_NAME
from gameday.ledger.decisions import selector_change
from gameday.ledger.entries import (
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
from gameday.ledger.nodes import CORDONED
from gameday.ledger.proxies import FAULT_LABEL, ProxyNames


def kubectl(context: str, namespace: str, *arguments: str) -> str:
    """A kubectl command line for that context and namespace, quoted for a shell."""
    return shlex.join(["kubectl", "--context", context, "-n", namespace, *arguments])


def mend_command(context: str, namespace: str, operation: Operation) -> str:
    """The command that puts back by hand what `operation` would have put back."""
    return kubectl(context, namespace, *_arguments(operation))


def revert_command(context: str, namespace: str) -> str:
    """The command that undoes all that the namespace's ledger holds."""
    return shlex.join(["gameday", "revert", "--context", context, "--namespace", namespace])


def forget_command(context: str, namespace: str, fault_id: str) -> str:
    """The command that drops an entry from the ledger, once someone has decided that nothing is left to undo."""
    return kubectl(context, namespace, *_patch("configmap", LEDGER_NAME, {"data": {fault_id: None}}))


def _arguments(operation: Operation) -> list[str]:  # noqa: C901  # one case an operation
    match operation:
        case SetReplicas():
            arguments = ["scale", "deployment", operation.deployment, f"--replicas={operation.old}"]
        case SetSelector():
            selector = selector_change(operation.fault, operation.old)
            arguments = _patch("service", operation.service, {"spec": {"selector": selector}})
        case SetConfig():
            arguments = _patch("configmap", operation.config_map, {"data": operation.old})
        case SetServicePorts():
            ports = json.dumps([{"op": "replace", "path": "/spec/ports", "value": operation.old}])
            arguments = ["patch", "service", operation.service, "--type=json", "-p", ports]
        case SetContainer():
            change = json.dumps(containers.strategic(operation))
            arguments = ["patch", "deployment", operation.deployment, "--type=strategic", "-p", change]
        case DeleteFaultSets():
            arguments = ["delete", "replicasets", "-l", f"{FAULT_LABEL}={operation.label}"]
        case DeleteMade():
            arguments = ["delete", operation.kind.lower(), operation.name, "--ignore-not-found"]
        case ClearFault():
            # Of every kind: a new process has no fault, and the old one drops its own as it leaves.
            arguments = ["rollout", "restart", f"deployment/{ProxyNames(operation.service).proxy}"]
        case ClearAnnotation():
            arguments = ["annotate", "pods", "--all", f"{operation.annotation}-"]
        case ClearLabel():
            arguments = ["label", "pods", "--all", f"{operation.label}-"]
        case Uncordon():
            off = {"metadata": {"annotations": {CORDONED: None}}, "spec": {"unschedulable": None}}
            arguments = _patch("node", operation.node, off)
        case NoUndo():
            arguments = ["get", "pods"]
    return arguments


def _patch(kind: str, name: str, body: dict[str, Any]) -> list[str]:
    return ["patch", kind, name, "--type=merge", "-p", json.dumps(body)]
