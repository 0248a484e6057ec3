"""What was recorded of the clients, held against what the contract suite shows."""

from __future__ import annotations

import json

import pytest

from tests.contract.recording import RECORDED
from tests.contract.recording.kinds import Kind, kind_of

_SEEN = {client: [Kind.parse(text) for text in kinds] for client, kinds in json.loads(RECORDED.read_text()).items()}


def test_every_client_was_recorded() -> None:
    """The record has the game day and the clients that must work unmodified."""
    assert set(_SEEN) == {"chaostoolkit-kubernetes", "gameday", "kubectl", "kubernetes"}


_IN = "/api/v1/namespaces/{namespace}"
_MERGE = "application/strategic-merge-patch+json"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.mark.parametrize(
    "kind",
    [
        "POST /api/v1/namespaces 201",
        *(f"POST {_IN}/{resource} 201" for resource in ("configmaps", "secrets", "services")),
        f"POST {_DEPLOYMENTS} 201",
        f"PATCH {_DEPLOYMENTS}/{{name}} {_MERGE} 200",
        *(f"PATCH {_IN}/{resource}/{{name}} {_MERGE} 200" for resource in ("configmaps", "services", "pods")),
        f"DELETE {_IN}/pods/{{name}} 200",
        f"GET {_IN}/endpoints/{{name}} 200",
        f"DELETE {_DEPLOYMENTS}/{{name}} 200",
        "DELETE /api/v1/namespaces/{name} 200",
    ],
)
def test_a_whole_game_day_was_recorded(kind: str) -> None:
    """It set the shop up, did what its experiments do, put it right again, and took the shop down."""
    assert kind in [str(one) for one in _SEEN["gameday"]]


@pytest.mark.parametrize(("client", "least"), [("gameday", 30), ("kubectl", 90), ("kubernetes", 140),
                                               ("chaostoolkit-kubernetes", 90)])  # fmt: skip
def test_a_client_was_recorded_to_its_end(client: str, least: int) -> None:
    """Fewer kinds of requests than ever before are a recording that broke off."""
    assert len(_SEEN[client]) >= least


def test_the_game_day_sends_nothing_that_the_contract_does_not_show() -> None:
    """Each kind of request of a game day is also sent by a client's contract test, which runs on both clusters."""
    shown = {kind.asked for client, kinds in _SEEN.items() if client != "gameday" for kind in kinds}
    assert [str(kind) for kind in _SEEN["gameday"] if kind.asked not in shown] == []


def test_nothing_broke() -> None:
    """No request of a client was answered with a fault of the cluster's own; 501 is a refusal by name."""
    assert [str(kind) for kinds in _SEEN.values() for kind in kinds if kind.status >= 500 and kind.status != 501] == []


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/api/v1/namespaces", "GET /api/v1/namespaces 200"),
        ("/api/v1/namespaces/a", "GET /api/v1/namespaces/{name} 200"),
        ("/api/v1/namespaces/a/pods", "GET /api/v1/namespaces/{namespace}/pods 200"),
        ("/api/v1/namespaces/a/pods/b/log?x=1&a=", "GET /api/v1/namespaces/{namespace}/pods/{name}/log?a&x 200"),
        ("/apis/apps/v1/deployments?watch=1", "GET /apis/apps/v1/deployments?watch 200"),
        ("/api/v1/nodes/n", "GET /api/v1/nodes/{name} 200"),
        ("/apis/apps/v1", "GET /apis/apps/v1 200"),
        ("/version?timeout=32s", "GET /version?timeout 200"),
    ],
)
def test_names_are_taken_out(target: str, text: str) -> None:
    """A kind has no names, and reads back as it is written."""
    kind = kind_of("GET", target, "", 200)
    assert str(kind) == text
    assert Kind.parse(text) == kind
