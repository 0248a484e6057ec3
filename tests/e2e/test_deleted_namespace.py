"""The attacked namespace is deleted by somebody while a fault is in force in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.rows import KUBECTL
from tests.e2e.runs import EXPERIMENTS, command, under_way, wait_for_fault

if TYPE_CHECKING:
    from gameday.kube import Kube


def test_a_namespace_that_is_deleted_under_a_run_is_no_pass(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """Nothing is left of it, nothing of ours elsewhere, and one line says why."""
    namespaces = {one.metadata.name for one in lasting.core.list_namespace().items}
    (friendly,) = (file for file in EXPERIMENTS if "friendly" in file.name)
    with under_way(friendly, environment, tmp_path) as runner:
        wait_for_fault(runner, tmp_path, 60)
        lasting.core.delete_namespace("shop")
        runner.wait(90)
    (journal,) = [json.loads(file.read_text())["gameday"] for file in tmp_path.glob("*/journal.json")]
    shell = {**environment, "KUBECONFIG": str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")}
    command([KUBECTL, "wait", "--for=delete", "namespace/shop", "--timeout=30s"], shell)  # its edge drains first
    left = {one.metadata.name for one in lasting.core.list_namespace().items}
    said = (tmp_path / "said").read_text()
    assert left == namespaces - {"shop"}
    assert (runner.returncode, journal["verdict"]) == (4, "dirty"), said
    assert "namespace shop was deleted under the run" in journal["reason"]
    assert "Traceback" not in said + journal["reason"]
