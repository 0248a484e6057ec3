"""Chaos experiments against a Kubernetes storefront, with a verdict one can trust."""

__version__ = "0.1.0"
