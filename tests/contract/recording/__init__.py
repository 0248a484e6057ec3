"""What clients really send to a Kubernetes API: a recording proxy, and what it recorded."""

from pathlib import Path

__all__ = ["RECORDED"]

RECORDED = Path(__file__).parent / "recorded.json"
"""By client, the kinds of requests that it sent; `make recording` writes it."""
