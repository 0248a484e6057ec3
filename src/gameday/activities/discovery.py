"""What `chaos discover chaostoolkit-gameday` lists: every action and probe of this package."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from chaoslib.discovery import discover_actions, discover_probes, initialize_discovery_result

import gameday
from gameday import activities

NOT_ACTIVITIES = frozenset(
    {
        *("books", "caps", "closing", "conductor", "control", "discovery", "fault", "foreign", "guard"),
        *("kinds", "policies", "proof", "proxied", "radius", "residue", "sampling"),
        *("seeds", "session", "settings", "targets", "watcher"),
        *("crashing", "draining", "evicting", "hunting", "scaling", "terminating", "unready"),  # named in pods
        *("mailbox", "mailreading"),
        *("fates", "waiting", "wrongs"),
    }
)
"""Modules that no experiment names as an action or a probe."""


def describe() -> dict[str, Any]:
    """The discovery result: each activity with its module, docstring and arguments. Needs no cluster."""
    result: dict[str, Any] = initialize_discovery_result("chaostoolkit-gameday", gameday.__version__, "kubernetes")
    for found in pkgutil.walk_packages(activities.__path__, f"{activities.__name__}."):
        name = found.name.removeprefix(f"{activities.__name__}.").partition(".")[0]
        if name in NOT_ACTIVITIES or not _exports_functions(found.name):
            continue
        look = discover_probes if name.startswith("probe") else discover_actions
        result["activities"].extend(look(found.name))
    return result


def _exports_functions(module_name: str) -> bool:
    module = importlib.import_module(module_name)
    return any(inspect.isfunction(getattr(module, name, None)) for name in getattr(module, "__all__", ()))
