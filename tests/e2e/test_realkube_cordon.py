"""The undo of a drain on a real node: the embedded cluster, which has but one, knows no cordon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.realkube import RealKube

pytestmark = [pytest.mark.realkube, pytest.mark.timeout(1200)]


def test_a_cordon_is_undone_from_the_ledger(real_cluster: RealKube) -> None:
    """Once, also when somebody else was first, and never that of another node; with one node there is no drain."""
    namespace = "cordon"
    real_cluster.kubectl("create", "namespace", namespace)
    try:
        real_cluster.kubectl("label", "namespace", namespace, "gameday.dev/allowed=true")
        argv = ["env", "GAMEDAY_ALLOW_DRAIN=1", "KUBERNETES_CONTEXT=realkube", sys.executable]
        said = real_cluster.run(*argv, str(Path(__file__).with_name("cordon.py")), namespace)
    finally:
        real_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    assert "1 nodes of realkube take pods, expected at least 2" in said
