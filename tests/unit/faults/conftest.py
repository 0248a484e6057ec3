"""What these tests need of a live API."""

from __future__ import annotations

from tests.unit.live import api, certificates, kube, nodes

__all__ = ["api", "certificates", "kube", "nodes"]
