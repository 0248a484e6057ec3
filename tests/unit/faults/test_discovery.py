"""What Chaos Toolkit's discovery sees."""

from __future__ import annotations

import gameday


def test_every_fault_is_discovered_with_its_undo() -> None:
    """Each action is listed, and its docstring says what undoes it."""
    found = {a["name"]: a for a in gameday.discover()["activities"] if a["type"] == "action"}
    pods = ("scale_to_zero", "terminate_pods", "insert_fault_proxy", "delay_requests", "misconfigure")
    manifests = ("image", "command", "env", "probe", "container_port", "resources", "selector", "port")
    for name in (*pods, *(f"wrong_{field}" for field in manifests)):
        assert "undo" in found[name]["doc"].lower()
        assert found[name]["mod"].startswith("gameday.activities.")
    assert "revert_faults" in found
    assert "touched" not in found
