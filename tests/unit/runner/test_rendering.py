"""The storefront for clusters that are not ours: another image, any free NodePort."""

from __future__ import annotations

import pytest

from gameday.runner.catalogue import find_catalogue
from gameday.runner.errors import InvalidRequest
from gameday.runner.rendering import Renderer, split_image


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("registry:5000/shop:1", {"newName": "registry:5000/shop", "newTag": "1"}),
        ("shop", {"newName": "shop", "newTag": "latest"}),
        ("r.example/a/b@sha256:12", {"newName": "r.example/a/b", "digest": "sha256:12"}),
        ("r.example/a/b:1@sha256:12", {"newName": "r.example/a/b", "digest": "sha256:12"}),
    ],
)
def test_an_image_is_taken_apart(image: str, parts: dict[str, str]) -> None:
    """A registry's port is not a tag, and a digest wins over one."""
    assert split_image(image) == parts


@pytest.mark.parametrize("image", ["", "a b", "shop@md5:1", "registry/"])
def test_what_is_no_image_is_refused(image: str) -> None:
    """In one line that shows what was given."""
    with pytest.raises(InvalidRequest, match="--image"):
        split_image(image)


def test_an_image_replaces_the_storefronts_alone() -> None:
    """Envoy and PostgreSQL stay; no pod is left with the default name, the edge's init container included."""
    made = Renderer(find_catalogue(), overlay="plain", image="r.example/shop:7").render("no-deadline")
    pods = [one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment"]
    images = {c["image"] for pod in pods for c in [*pod["containers"], *pod.get("initContainers", [])]}
    assert images == {"r.example/shop:7", "envoyproxy/envoy:v1.40.0", "postgres:18"}


def test_a_node_port_is_any_free_one() -> None:
    """Two storefronts side by side cannot have the same: the server is to choose."""
    made = Renderer(find_catalogue(), overlay="plain", node_port=True).render()
    services = {one["metadata"]["name"]: one["spec"] for one in made if one["kind"] == "Service"}
    assert [name for name, spec in services.items() if spec.get("type") == "NodePort"] == ["edge"]
    assert all("nodePort" not in port for port in services["edge"]["ports"])
