"""The way to a cluster that lives on is cut while a fault is in force there: the undo waits for it to come back."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest
import yaml

from gameday import cluster as embedded
from gameday.kube import Kube, connect
from gameday.ledger import Entry, Ledger, SetConfig, differences, snapshot
from gameday.ledger.calls import wait_until
from gameday.runner.proof import undo_and_prove
from tests.e2e.runs import EXPERIMENTS, home_comes, under_way, wait_for_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

CUT_S, LONG_CUT_S = 8.0, 20.0
"""Longer than any one call to the API is tried; longer than a run is believed to live that is not heard of."""


class Cable:
    """A line to an API server on a port of its own, that can be cut and mended: cut, it refuses at once."""

    def __init__(self, server: str) -> None:
        self._target = urlsplit(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.whole = threading.Event()
        self.whole.set()
        self.refused = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing passes."""
        self.whole.clear()
        for end in self._open:
            with contextlib.suppress(OSError):  # over already
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.whole.is_set():
                self.refused += 1
                client.close()
                continue
            server = socket.create_connection((str(self._target.hostname), self._target.port or 443))
            self._open += [client, server]
            threading.Thread(target=_join, args=(client, server), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _join(one: socket.socket, other: socket.socket) -> None:
    with one, other:
        while True:
            for end in select.select([one, other], [], [])[0]:
                try:
                    data = end.recv(65536)
                    (other if end is one else one).sendall(data)
                except OSError:
                    data = b""
                if not data:
                    return


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[tuple[Kube, Kube, Cable]]:
    """A cluster by two ways, the second through a cable; a fault of ours is in force in its namespace `shop`."""
    running = embedded.start(f"cable-{os.getpid()}", owned=True, timeout_s=60)
    try:
        config = yaml.safe_load(running.kubeconfig.read_text())
        with Cable(config["clusters"][0]["cluster"]["server"]) as cable:
            config["clusters"][0]["cluster"]["server"] = f"https://localhost:{cable.port}"
            (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
            yield connect(kubeconfig=running.kubeconfig), connect(kubeconfig=tmp_path / "kubeconfig"), cable
    finally:
        running.stop()


def set_fault(kube: Kube) -> None:
    """Change a ConfigMap, with its undo on record."""
    kube.core.create_namespace({"metadata": {"name": "shop"}})
    made = kube.core.create_namespaced_config_map("shop", {"metadata": {"name": "one"}, "data": {"k": "old"}})
    undo = (SetConfig("one", made.metadata.uid, {"k": "old"}, {"k": "new"}),)
    ledger = Ledger(kube, "shop")
    ledger.write(Entry("fault-1", "misconfigure", undo, {"kind": "ConfigMap", "name": "one"}, ttl_s=60))
    kube.core.patch_namespaced_config_map("one", "shop", {"data": {"k": "new"}})
    ledger.confirm("fault-1")


def test_the_undo_outlasts_a_cut(lines: tuple[Kube, Kube, Cable]) -> None:
    """As soon as the cluster can be reached again the fault is undone, and the proof says so."""
    direct, cabled, cable = lines
    set_fault(direct)
    before = snapshot(direct, "shop") | {}
    before["configmap one"]["data"] = {"k": "old"}
    cable.cut()
    threading.Timer(CUT_S, cable.whole.set).start()

    proof = undo_and_prove(cabled, "shop", before, patience_s=60)

    assert cable.refused > 0
    assert (proof.unproven, proof.differences, [one.ok for one in proof.undone]) == (None, (), [True])
    assert direct.core.read_namespaced_config_map("one", "shop").data == {"k": "old"}
    assert Ledger(direct, "shop").entries() == []


def test_without_patience_what_is_left_is_said(lines: tuple[Kube, Kube, Cable]) -> None:
    """A cluster that does not come back proves nothing, and the reason is one line."""
    direct, cabled, cable = lines
    set_fault(direct)
    cable.cut()

    proof = undo_and_prove(cabled, "shop", {}, patience_s=0)

    assert proof.unproven
    assert "\n" not in proof.unproven
    assert proof.mend == (f"gameday revert --context {cabled.context} --namespace shop",)
    assert [entry.id for entry in Ledger(direct, "shop").entries()] == ["fault-1"]


def test_a_run_whose_api_is_away_for_20_s_leaves_nothing(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """The run cannot undo, the guardian can; it is no pass, and one line says why."""
    before = snapshot(lasting, "shop")
    config = yaml.safe_load((Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig").read_text())
    with Cable(config["clusters"][0]["cluster"]["server"]) as cable:
        config["clusters"][0]["cluster"]["server"] = f"https://localhost:{cable.port}"
        config["contexts"][0]["name"] = config["current-context"] = "cabled"
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        (friendly,) = (file for file in EXPERIMENTS if "friendly" in file.name)
        where = ["--context", "cabled", "--namespace", "shop"]
        shell = {**environment, "KUBECONFIG": str(tmp_path / "kubeconfig")}
        with under_way(friendly, shell, tmp_path, where) as runner:
            wait_for_fault(runner, tmp_path, 60)
            cable.cut()
            threading.Timer(LONG_CUT_S, cable.whole.set).start()
            runner.wait(180)
    (journal,) = [json.loads(file.read_text())["gameday"] for file in tmp_path.glob("*/journal.json")]
    said = (tmp_path / "said").read_text()
    assert runner.returncode == {"inconclusive": 3, "error": 5, "failed": 1}[journal["verdict"]], said
    assert "Traceback" not in said + journal["reason"]
    assert "\n" not in journal["reason"]
    assert "Max retries" not in journal["reason"]
    assert (differences(before, snapshot(lasting, "shop")), Ledger(lasting, "shop").entries()) == ([], [])
    assert wait_until(lambda: home_comes(lasting), 30)
