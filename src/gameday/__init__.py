"""Chaos experiments against a Kubernetes storefront, with a verdict one can trust."""

from typing import Any

__version__ = "0.1.0"


def discover(discover_system: bool = True) -> Any:  # noqa: ARG001, FBT001, FBT002  # Chaos Toolkit's signature
    """List this package's actions and probes for `chaos discover chaostoolkit-gameday`.

    By name and late, so that importing the package stays cheap in every pod, and pulls nothing in there.
    """
    import importlib

    return importlib.import_module("gameday.activities.discovery").describe()
