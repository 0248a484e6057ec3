"""Which Services a fault proxy can stand before, and the objects that put it there."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.activities import proxied
from gameday.ledger.proxies import PROXY_LABEL


def service(ports: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """A Service that a proxy can stand before, with some of its spec changed."""
    sound = {"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "type": "ClusterIP"}
    made = ports if ports is not None else [{"name": "http", "port": 8080, "targetPort": "http"}]
    return {
        "metadata": {"name": "web", "uid": "u", "resourceVersion": "7"},
        "spec": {**sound, "ports": made, **spec},
    }


def test_an_ordinary_service_is_fine() -> None:
    """Nothing speaks against it."""
    assert proxied.refusal(service()) is None


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (service(type="ExternalName"), "ExternalName"),
        (service(clusterIP="None"), "headless"),
        (service(selector={}), "no selector"),
        (service(selector={PROXY_LABEL: "web"}), "already"),
        (service(sessionAffinity="ClientIP"), "session affinity"),
        (service(externalTrafficPolicy="Local"), "traffic policy"),
        (service(internalTrafficPolicy="Local"), "traffic policy"),
        (service([{"port": 53, "protocol": "UDP", "targetPort": 5353}]), "UDP"),
        (service([{"port": 80}]), "below 1024"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(refused: dict[str, Any], says: str) -> None:
    """The reason names the very thing."""
    assert says in str(proxied.refusal(refused))


def test_each_target_port_gets_a_route() -> None:
    """Named ports keep their names, numbered ones their numbers, and no two routes share a port."""
    made = proxied.routes(
        [
            {"port": 80, "targetPort": "http"},
            {"port": 8080, "targetPort": "http"},
            {"port": 1025, "targetPort": 20_000},
            {"port": 443, "targetPort": "tls"},
        ]
    )
    assert [(r.name, r.upstream) for r in made] == [("http", 80), (None, 1025), ("tls", 443)]
    assert made[1].listen == 20_000
    assert len({r.listen for r in made} | {proxied.control_port(made)}) == 4
    assert all(r.listen >= 1024 for r in made)


def test_the_saved_selector_does_not_match_the_proxy() -> None:
    """Else the origin Service would lead to the proxy, round and round."""
    made = proxied.deployment_object("web", "f", proxied.routes(service()["spec"]["ports"]), "10.0.0.2")
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert "app" not in labels
    assert labels[PROXY_LABEL] == "web"


def test_the_token_is_in_the_secret_alone() -> None:
    """The Deployment only refers to it."""
    made = proxied.deployment_object("web", "f", proxied.routes(service()["spec"]["ports"]), "10.0.0.2")
    assert "hush" not in str(made)
    assert proxied.secret_object("web", "f", "hush")["stringData"] == {"token": "hush"}


def test_the_selector_patch_is_for_this_very_object() -> None:
    """It drops the old keys and fails when the Service was changed or replaced meanwhile."""
    patch = proxied.selector_patch(service())
    assert patch["spec"]["selector"] == {"app": None, PROXY_LABEL: "web"}
    assert patch["metadata"] == {"uid": "u", "resourceVersion": "7"}


def test_the_proxy_is_made_of_the_storefronts_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the namespace has it, whatever its registry; the one that is given goes before."""
    monkeypatch.delenv("GAMEDAY_IMAGE", raising=False)
    images = ("envoyproxy/envoy:v1", "registry.example:5000/team/gameday/storefront:7")
    beside = [{"spec": {"template": {"spec": {"containers": [{"image": image}]}}}} for image in images]
    assert proxied.proxy_image(beside) == images[1]
    assert proxied.proxy_image(beside[:1]) == proxied.DEFAULT_IMAGE
    monkeypatch.setenv("GAMEDAY_IMAGE", "other:1")
    assert proxied.proxy_image(beside) == "other:1"
