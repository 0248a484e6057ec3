"""The guardian on a cluster that lives on: what becomes of faults when a run dies, sleeps, or meets another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gameday.ledger import LEDGER_NAME, Entry, Ledger, NoUndo, SetReplicas, differences, lease, revert, snapshot
from gameday.ledger.calls import find, wait_until
from gameday.ledger.entries import FORMAT
from gameday.ledger.lease import DURATION_S, HeldError, Lease, _held, holder_now, new_holder
from gameday.runner.guardians import NAME
from tests.e2e.runs import (
    EXPERIMENTS,
    GAMEDAY,
    ROOT,
    SHOP,
    UNLIKE,
    await_end,
    command,
    home_comes,
    under_way,
    wait_for_fault,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from tests.e2e.calm import Clock

OBJECTS_S, EFFECT_S = 15.0, 30.0
"""Within the first every object is restored, within the second more the shop serves."""


@pytest.fixture
def before(lasting: Kube, clock: Clock) -> Iterator[dict[str, Any]]:
    """What the shop's objects are; afterwards they must be that again, and serve."""
    taken = snapshot(lasting, "shop")
    yield taken
    assert differences(taken, snapshot(lasting, "shop")) == []
    assert Ledger(lasting, "shop").entries() == []
    assert clock.comes(lambda: home_comes(lasting), EFFECT_S)


def kill_all(runner: subprocess.Popen[bytes], experiment: int) -> None:
    """SIGKILL both at once: nobody of the run is left to undo."""
    runner.kill()
    os.kill(experiment, signal.SIGKILL)
    runner.wait()
    await_end(experiment, 30)


def restored(kube: Kube, before: dict[str, Any]) -> bool:
    """Whether nothing of a fault is left."""
    return not Ledger(kube, "shop").entries() and not differences(before, snapshot(kube, "shop"))


@pytest.mark.parametrize("file", UNLIKE, ids=lambda file: file.stem)
def test_the_faults_of_a_killed_run_are_undone(
    file: Path, lasting: Kube, environment: dict[str, str], before: dict[str, Any], clock: Clock, tmp_path: Path
) -> None:
    """SIGKILL of all of it: within 15 s every object is what it was, and nobody was asked."""
    with under_way(file, environment, tmp_path) as runner:
        kill_all(runner, wait_for_fault(runner, tmp_path, 60))
    assert Ledger(lasting, "shop").entries()
    assert clock.comes(lambda: restored(lasting, before), OBJECTS_S)


def test_a_guardian_that_is_killed_with_the_run_undoes_when_it_is_back(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any], clock: Clock, tmp_path: Path
) -> None:
    """Its new pod counts anew from when it first sees the dead run's lease."""
    with under_way(EXPERIMENTS[0], environment, tmp_path) as runner:
        experiment = wait_for_fault(runner, tmp_path, 60)
        lasting.core.delete_collection_namespaced_pod("shop", label_selector=f"app={NAME}", grace_period_seconds=0)
        kill_all(runner, experiment)
    assert clock.comes(lambda: restored(lasting, before), OBJECTS_S)


def test_a_run_that_slept_too_long_sets_no_more_faults(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any], clock: Clock, tmp_path: Path
) -> None:
    """Stopped past its lease, its faults are undone; awake again it is inconclusive, and leaves nothing."""
    with under_way(EXPERIMENTS[0], environment, tmp_path) as runner:
        experiment = wait_for_fault(runner, tmp_path, 60)
        for process in (runner.pid, experiment):
            os.kill(process, signal.SIGSTOP)
        undone = clock.comes(lambda: restored(lasting, before), OBJECTS_S)
        for process in (experiment, runner.pid):
            os.kill(process, signal.SIGCONT)
        runner.wait(60)
    (journal,) = [json.loads(file.read_text()) for file in tmp_path.glob("*/journal.json")]
    assert undone
    assert (runner.returncode, journal["gameday"]["verdict"]) == (3, "inconclusive")


def test_a_run_that_slept_leaves_alone_what_the_next_run_does(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any], clock: Clock, tmp_path: Path
) -> None:
    """While it is stopped its faults are undone and another run sets one: that one stays, and nothing is said of it."""
    second = Lease(lasting, "shop", new_holder())
    found = lasting.apps.read_namespaced_deployment("web", "shop")
    old = found.spec.replicas
    undo = SetReplicas("web", found.metadata.uid, old, old + 1)
    with under_way(EXPERIMENTS[0], environment, tmp_path) as runner:
        experiment = wait_for_fault(runner, tmp_path, 60)
        for process in (runner.pid, experiment):
            os.kill(process, signal.SIGSTOP)
        undone = clock.comes(lambda: restored(lasting, before), OBJECTS_S)
        try:
            second.take()
            Ledger(lasting, "shop").write(Entry("seconds", "scale", (undo,), holder=second.holder))
            lasting.apps.patch_namespaced_deployment("web", "shop", {"spec": {"replicas": old + 1}})
            for process in (experiment, runner.pid):
                os.kill(process, signal.SIGCONT)
            runner.wait(60)
            kept = [entry.id for entry in Ledger(lasting, "shop").entries()]
            replicas = lasting.apps.read_namespaced_deployment("web", "shop").spec.replicas
        finally:
            revert(lasting, "shop")
            second.release()
    (journal,) = [json.loads(file.read_text()) for file in tmp_path.glob("*/journal.json")]
    assert undone
    assert (kept, replicas) == (["seconds"], old + 1)
    assert runner.returncode == 4
    assert f"{second.holder} runs in shop by now" in journal["gameday"]["reason"]
    assert [line.rpartition("  # ")[2] for line in journal["gameday"]["mend"]] == [f"once {second.holder} is over"]
    assert journal["gameday"]["verdict_of_experiment"]["verdict"] == "inconclusive"


def test_a_second_run_is_refused_while_one_is_under_way(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any], tmp_path: Path
) -> None:
    """By `gameday run` and by plain `chaos run`, in words; nothing is touched, no fault of the first's either."""
    del before
    (friendly,) = (file for file in EXPERIMENTS if "friendly" in file.name)
    kubeconfig = str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    chaos = [str(Path(GAMEDAY).with_name("chaos")), "--no-version-check", "run", str(friendly)]
    first = Lease(lasting, "shop", new_holder())
    first.take()
    Ledger(lasting, "shop").write(Entry("firsts", "terminate-pods", (NoUndo(("web",)),), holder=first.holder))
    try:
        second, plain = (
            subprocess.run(
                argv, cwd=tmp_path, env={**environment, "KUBECONFIG": kubeconfig}, capture_output=True, text=True,
                timeout=60, check=False,
            )
            for argv in ([GAMEDAY, "run", str(friendly), *SHOP], chaos)
        )  # fmt: skip
        kept = [entry.id for entry in Ledger(lasting, "shop").entries()]
    finally:
        Ledger(lasting, "shop").remove("firsts")
        first.release()
    assert kept == ["firsts"]
    journal = json.loads((tmp_path / "journal.json").read_text())["gameday"]
    assert (second.returncode, plain.returncode, journal["verdict"]) == (2, 1, "invalid"), second.stderr + plain.stderr
    assert "only one may be at a time" in " ".join(second.stderr.split())
    assert f"the run {first.holder} is under way there" in journal["reason"]
    assert "Traceback" not in second.stderr + plain.stderr


def test_a_ledger_edited_into_nonsense_harms_nobody(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any]
) -> None:
    """The guardian says so and watches on; `gameday revert` says how to be rid of it."""
    kube = lasting
    if not _ledger_is_there(kube):
        kube.core.create_namespaced_config_map("shop", {"metadata": {"name": LEDGER_NAME}})
    kube.core.patch_namespaced_config_map(
        LEDGER_NAME, "shop", {"data": {"x": json.dumps({"format": FORMAT, "undo": "rm -rf /"})}}
    )
    try:
        done = subprocess.run(
            [GAMEDAY, "revert", *SHOP],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        log = wait_until(lambda: "not understood" in guardian_log(kube), 20)
    finally:
        kube.core.patch_namespaced_config_map(LEDGER_NAME, "shop", {"data": {"x": None}})
    assert done.returncode == 4
    assert "mend: kubectl" in done.stdout
    assert log
    del before


def _ledger_is_there(kube: Kube) -> bool:
    names = [one.metadata.name for one in kube.core.list_namespaced_config_map("shop").items]
    return LEDGER_NAME in names


def guardian_log(kube: Kube) -> str:
    """What the guardian has said."""
    (pod,) = kube.core.list_namespaced_pod("shop", label_selector=f"app={NAME}").items
    answer = kube.core.read_namespaced_pod_log(pod.metadata.name, "shop", _preload_content=False)
    return str(answer.data.decode())


def test_a_lease_is_taken_from_the_dead_alone(lasting: Kube) -> None:
    """A living holder is not disturbed; one that fell silent is succeeded after its ten seconds."""
    first, second = (Lease(lasting, "default", new_holder()) for _ in range(2))
    first.take()
    with pytest.raises(HeldError, match="under way there"):
        second.take()
    first.leave()
    began = time.monotonic()
    second.take()
    assert time.monotonic() - began >= DURATION_S - 0.5
    second.release()
    assert holder_now(lasting, "default")[0] == ""


def test_a_living_run_keeps_its_lease_from_one_that_has_slept(lasting: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks of the second more passes than a dead run is given: the first has renewed all the same."""
    first, second = (Lease(lasting, "default", new_holder()) for _ in range(2))
    looks: list[tuple[float, Any]] = []

    def find_late(*arguments: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            looks.append((time.monotonic(), _held(find(*arguments))))
            if len(looks) == 2:
                began, seen = looks[0]
                assert wait_until(lambda: time.monotonic() > began + 1.5 and _held(find(*arguments)) != seen, 10)
        return find(*arguments)

    first.take()
    try:
        monkeypatch.setattr(lease, "DURATION_S", 1.0)  # shorter than from one renewal to the next
        monkeypatch.setattr(lease, "find", find_late)
        with pytest.raises(HeldError, match="under way there"):
            second.take()
        assert holder_now(lasting, "default")[0] == first.holder
    finally:
        second.leave()
        first.release()


def test_a_run_without_a_guardian_is_refused_unless_told(
    lasting: Kube, environment: dict[str, str], before: dict[str, Any], tmp_path: Path
) -> None:
    """The words say how to install one, and that works."""
    del before
    command([GAMEDAY, "guardian", "uninstall", *SHOP], environment)
    argv = [GAMEDAY, "run", "--only", "friendly-*", *SHOP, "--report", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    names = [one.metadata.name for one in lasting.apps.list_namespaced_deployment("shop").items]
    command([GAMEDAY, "guardian", "install", *SHOP], environment)
    assert done.returncode == 2
    assert "gameday guardian install --context gameday-local --namespace shop" in " ".join(done.stderr.split())
    assert NAME not in names
