"""Chaos Toolkit's own way to call an activity of chaostoolkit-kubernetes; runs in the project's environment.

Its functions are called by `serving.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import chaosk8s
from chaoslib.provider.python import run_python_activity, validate_python_activity


def run(activity: str, arguments: dict[str, Any]) -> Any:
    """The result of an activity, such as `pod.actions.terminate_pods`. Raises ActivityFailed."""
    module, _, name = activity.rpartition(".")
    wanted = {
        "type": "action" if module.endswith("actions") else "probe",
        "name": activity,
        "provider": {"type": "python", "module": f"chaosk8s.{module}", "func": name, "arguments": arguments},
    }
    validate_python_activity(wanted)
    result = run_python_activity(wanted, {}, {})
    return result.to_dict() if hasattr(result, "to_dict") else result


def activities() -> list[str]:
    """Every activity that the package exports."""
    found = []
    for module in pkgutil.walk_packages(chaosk8s.__path__, "chaosk8s."):
        if module.name.endswith((".actions", ".probes")):
            names = importlib.import_module(module.name).__all__
            found += [f"{module.name.removeprefix('chaosk8s.')}.{name}" for name in names]
    return sorted(found)


def version() -> str:
    """The package's version."""
    return str(chaosk8s.__version__)
