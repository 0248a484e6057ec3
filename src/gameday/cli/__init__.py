"""The command `gameday`: chaos experiments against a Kubernetes storefront, with a verdict one can trust."""

from gameday.cli.edge import main

__all__ = ["main"]
