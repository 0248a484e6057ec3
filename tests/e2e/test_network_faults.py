"""Each kind of network fault on one storefront: in force, felt on a connection from before, touched, undone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gameday import evidence
from gameday.activities import guard, insertion, network, undo
from gameday.activities.caps import Caps
from gameday.ledger import Ledger, differences, revert, snapshot, still_in_force
from gameday.ledger.proxies import PROXY_LABEL
from tests.e2e.runs import FAULT_KINDS, await_end, serves, under_way, wait_for_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gameday.kube import Kube
    from tests.e2e.calm import Clock

SHOP, BEHIND = "shop", "catalog"
PATH = "/products"
GUARDIAN_S = 15.0
TROUBLE = (TimeoutError, OSError, http.client.HTTPException)
Line = http.client.HTTPConnection


@pytest.fixture
def shop(lasting: Kube, environment: dict[str, str], clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kube]:
    """The shop that activities attack, with a fault proxy before its catalogue; after each test all is as before."""
    monkeypatch.setenv("KUBECONFIG", str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig"))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "gameday-local")
    guard.set_caps(Caps())
    evidence.forget()
    before = snapshot(lasting, SHOP)
    insertion.insert_fault_proxy(SHOP, BEHIND)
    yield lasting
    assert [o for o in revert(lasting, SHOP) if not o.ok] == []
    assert differences(before, snapshot(lasting, SHOP)) == []
    assert Ledger(lasting, SHOP).entries() == []
    assert clock.comes(lambda: serves(lasting), 10)


def recorded(event: str) -> list[dict[str, Any]]:
    """The facts of one name that this test has recorded."""
    return [e for e in evidence.events() if e["event"] == event]


def connected(kube: Kube) -> Line:
    """A connection to the catalogue that has had an answer."""
    line = Line(kube.core.read_namespaced_service(BEHIND, SHOP).spec.cluster_ip, 8080, timeout=10)
    assert asked(line) == 200
    return line


def asked(line: Line, timeout_s: float = 10) -> int:
    """The status of one more answer on that connection; http.client would connect anew, and must not."""
    if line.sock is not None:
        line.sock.settimeout(timeout_s)
    line.request("GET", PATH)
    answer = line.getresponse()
    answer.read()
    return int(answer.status)


def slow(line: Line) -> bool:
    """Whether an answer takes at least 1.5 s."""
    began = time.monotonic()
    return asked(line) == 200 and time.monotonic() - began >= 1.5


def silent(line: Line) -> bool:
    """Whether there is no answer in 0.3 s."""
    try:
        asked(line, 0.3)
    except TimeoutError:
        return True
    return False


def broken(line: Line) -> bool:
    """Whether the connection breaks."""
    try:
        asked(line)
    except TimeoutError:
        return False
    except TROUBLE:
        return True
    return False


def aborted(line: Line) -> bool:
    """Whether the answer is the fault's, as it was asked for."""
    line.request("GET", PATH)
    answer = line.getresponse()
    return (answer.status, answer.headers["Retry-After"], answer.read()) == (429, "9", b"later")


KINDS: list[tuple[Callable[[], dict[str, Any]], Callable[[Line], bool]]] = [
    (lambda: network.delay_requests(SHOP, BEHIND, 1600, share=1.0), slow),
    (lambda: network.throttle(SHOP, BEHIND, 2000, direction="down"), slow),
    (lambda: network.blackhole(SHOP, BEHIND), silent),
    (lambda: network.reset_connections(SHOP, BEHIND), broken),
    (lambda: network.abort_requests(SHOP, BEHIND, 429, body="later", headers={"Retry-After": "9"}), aborted),
]


def test_every_kind_in_turn_through_one_proxy(shop: Kube) -> None:
    """Proven in force, felt by a connection from before, counted by its id, and gone with the undo."""
    for act, felt in KINDS:
        with closing(connected(shop)) as line:
            done = act()
            assert {key for key, standing, _ in still_in_force(shop, SHOP) if standing} >= {done["fault"]}
            assert felt(line), done
            undo.record_touch(SHOP)
            touched = [e for e in recorded("fault-touched") if e["fault"] == done["fault"]]
            assert touched[-1]["count"] >= 1, done
            assert [o["ok"] for o in network.clear_faults(SHOP, BEHIND)] == [True]
        with closing(connected(shop)) as line:
            assert not all(slow(line) for _ in range(5))  # all were: one that is quick shows that it is gone
    assert len(recorded("fault-effective-undone")) == len(KINDS)


def test_clients_that_must_be_seen_and_were_not_leave_the_fault_unproven(shop: Kube) -> None:
    """Each ready pod by its own address: those of whom nothing came are named, and so is a selector that finds none."""

    def counted(clients: str, source: str) -> tuple[int, list[str]]:
        fault = network.abort_requests(SHOP, BEHIND, clients=clients)["fault"]
        with socket.create_connection((proxy, 8080), timeout=10, source_address=(source, 0)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 503")
        network.clear_faults(SHOP, BEHIND)
        last = [e for e in recorded("fault-touched") if e["fault"] == fault][-1]
        return last["count"], last["unseen"]

    (proxy,) = (p.status.pod_ip for p in pods(shop, f"{PROXY_LABEL}={BEHIND}"))
    (mailer,) = pods(shop, "app=mailer")
    assert counted("app=mailer", "127.0.0.1") == (0, [mailer.metadata.name])
    assert counted("app=nobody", "127.0.0.1") == (0, ["no ready pod matches app=nobody"])
    count, unseen = counted("app=mailer", mailer.status.pod_ip)
    assert (count >= 1, unseen) == (True, [])


def pods(kube: Kube, selector: str) -> list[Any]:
    """The pods that a selector finds, but for those that are going: one test's proxy may still be on its way out."""
    found = kube.core.list_namespaced_pod(SHOP, label_selector=selector).items
    return [pod for pod in found if pod.metadata.deletion_timestamp is None]


def test_a_blackhole_whose_run_is_killed_is_ended_by_the_guardian(
    lasting: Kube, environment: dict[str, str], clock: Clock, tmp_path: Path
) -> None:
    """SIGKILL of all of the run: within 15 s every object is what it was, and the home page has its deals again."""
    (file,) = (file for file in FAULT_KINDS if file.stem == "blackhole")
    before = snapshot(lasting, SHOP)
    with under_way(file, environment, tmp_path) as runner:
        experiment = wait_for_fault(runner, tmp_path, 60)
        runner.kill()
        os.kill(experiment, signal.SIGKILL)
        runner.wait()
        await_end(experiment, 30)
    assert Ledger(lasting, SHOP).entries()
    assert clock.comes(
        lambda: not Ledger(lasting, SHOP).entries() and not differences(before, snapshot(lasting, SHOP)), GUARDIAN_S
    )
    assert clock.comes(lambda: serves(lasting), 10)
