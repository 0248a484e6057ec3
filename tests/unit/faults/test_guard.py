"""Which namespaces are never attacked."""

from __future__ import annotations

import pytest

from gameday.activities.guard import is_protected


@pytest.mark.parametrize(("namespace", "protected"), [("default", True), ("kube-system", True), ("kube-x", True),
                                                       ("shop", False), ("kubeshop", False)])  # fmt: skip
def test_protected_namespaces(namespace: str, *, protected: bool) -> None:
    """`default` and `kube-*` are never attacked, whatever their labels."""
    assert is_protected(namespace) is protected
