"""A pod's status, from what its containers are doing. Pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from gameday.cluster.records import set_condition
from gameday.cluster.store import now

State = dict[str, dict[str, Any]]


@dataclass
class ContainerRecord:
    """What the status says of one container."""

    name: str
    image: str
    state: State = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: State = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    id: str = ""

    def to_json(self, *, init: bool = False) -> dict[str, Any]:
        """As `status.containerStatuses` has it, or `status.initContainerStatuses`: those are ready once done."""
        known = {"containerID": f"gameday://{self.id}", "imageID": f"gameday://{self.image}"} if self.id else {}
        return {
            "name": self.name, "image": self.image, "imageID": "", **known, "state": self.state,
            "lastState": self.last_state, "restartCount": self.restarts,
            "ready": self.exit_code == 0 if init else self.ready, "started": self.started,
        }  # fmt: skip

    @property
    def exit_code(self) -> int | None:
        """The code it ended with; None unless it ended."""
        ended = self.state.get("terminated")
        return ended["exitCode"] if ended else None


def phase(containers: list[ContainerRecord], *, initialized: bool, over: bool) -> str:
    """The pod's phase; `over` means that nothing will be restarted."""
    if over:
        return "Succeeded" if all(c.exit_code == 0 for c in containers) else "Failed"
    begun = [c for c in containers if c.id]
    return "Running" if initialized and len(begun) == len(containers) else "Pending"


def pod_status(
    old: dict[str, Any], init: list[ContainerRecord], containers: list[ContainerRecord], *, ip: str, node_ip: str,
    initialized: bool, over: bool, failure: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """The whole status, with the old one's conditions and start; `failure` is the pod's own reason to fail."""
    status = {k: v for k, v in old.items() if k in ("qosClass", "startTime")}
    status.setdefault("startTime", now())
    status |= {"phase": phase(containers, initialized=initialized, over=over), "hostIP": node_ip,
               "hostIPs": [{"ip": node_ip}]}  # fmt: skip
    if failure:
        status |= {"phase": "Failed", **failure}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    conditions = copy.deepcopy(old.get("conditions", []))
    ready = [c.name for c in containers if not c.ready]
    not_ready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(ready)}]"}
    set_condition(conditions, "PodReadyToStartContainers", "True" if ip else "False")
    waiting = " ".join(c.name for c in init if c.exit_code != 0)
    incomplete = f"containers with incomplete status: [{waiting}]"
    why_not = {} if initialized else {"reason": "ContainersNotInitialized", "message": incomplete}
    set_condition(conditions, "Initialized", str(initialized), **why_not)
    for kind in ("Ready", "ContainersReady"):
        why = {"reason": "PodCompleted"} if over and status["phase"] == "Succeeded" else not_ready
        set_condition(conditions, kind, str(not ready), **({} if not ready else why))
    set_condition(conditions, "PodScheduled", "True")
    status["conditions"] = conditions
    if init:
        status["initContainerStatuses"] = [c.to_json(init=True) for c in init]
    status["containerStatuses"] = [c.to_json() for c in containers]
    return status
