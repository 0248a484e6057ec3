"""Images for the real Kubernetes at hand: one archive with three names, made without an engine.

The lowest layer holds a small Debian and everything that the project depends on, and is made once for each set of
dependencies; the project itself is a layer on top, made again whenever its sources change.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

from tests.contract.clients.environments import cache

PROJECT = Path(__file__).parents[2]
CACHE = cache()
#: What each image runs when its pod does not say, as the official images of these names do.
ENTRYPOINTS: dict[str, list[str]] = {
    "docker.io/gameday/storefront:dev": [],
    "docker.io/envoyproxy/envoy:v1.40.0": ["/usr/bin/python3", "-m", "envoy._main"],
    "docker.io/library/postgres:18": ["/usr/bin/python3", "-m", "gameday.storefront.db"],
}
#: PostgreSQL wants its user to have a name; this is the official image's.
POSTGRES_USER = "postgres:x:999:999::/var/lib/postgresql:/bin/sh\n"


def build(realkube: Path) -> Path:
    """The archive with the three images, built unless it is there for exactly these sources.

    Args:
        realkube: the folder of the real Kubernetes' tools.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    base = base_archive(realkube, dependencies())
    sources = _sources()
    digest = hashlib.sha256(base.name.encode())
    for name, content in sources:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    archive = CACHE / f"images-{digest.hexdigest()[:16]}.tar"
    if not archive.exists():
        for old in CACHE.glob("images-*.tar"):
            old.unlink()
        _write_archive(base, sources, archive)
    return archive


def dependencies() -> list[str]:
    """What the project requires, as pip takes it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return [dependency.split(";")[0].strip() for dependency in project["dependencies"]]


def base_archive(realkube: Path, requirements: list[str], name: str = "base") -> Path:
    """An image of Debian and some Python packages, made by the tool that belongs to the cluster unless it is there.

    Args:
        realkube: the folder of the real Kubernetes' tools.
        requirements: what pip installs into /opt/app; one at least.
        name: the image's name, for those who load the archive as it is.
    """
    digest = hashlib.sha256("\n".join([name, *requirements]).encode()).hexdigest()[:16]
    archive = CACHE / f"base-{digest}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = archive.with_suffix(".part")
        # Compiled wheels must fit the base's Python, 3.11.
        python = Path(sys.base_prefix) / "bin" if sys.version_info[:2] == (3, 11) else Path("/usr/bin")
        environment = os.environ | {"PATH": f"{python}:{os.environ['PATH']}"}
        argv = [str(realkube / "mkpyimage"), name, str(part), "--", *requirements]
        made = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert made.returncode == 0, f"mkpyimage failed: {made.stderr[-2000:]}"
        part.rename(archive)
    return archive


def _sources() -> list[tuple[str, bytes]]:
    """The package's files, by their place in the image."""
    files = sorted(p for p in (PROJECT / "src" / "gameday").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return [(f"opt/app/{p.relative_to(PROJECT / 'src')}", p.read_bytes()) for p in files]


def _write_archive(base: Path, sources: list[tuple[str, bytes]], archive: Path) -> None:
    """One docker archive whose three images share their layers."""
    with tarfile.open(base) as old:
        manifest = json.load(_open(old, "manifest.json"))[0]
        config: dict[str, Any] = json.load(_open(old, manifest["Config"]))
        layer = _open(old, "layer.tar")
        passwd = _passwd(old)
        top = _layer([*sources, ("etc/passwd", passwd)])
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(top).hexdigest())
        config["history"].append({"created_by": "the project"})
        part = archive.with_suffix(".part")
        with tarfile.open(part, "w") as new:
            size = old.getmember("layer.tar").size
            _add(new, "layer.tar", layer, size)
            _add(new, "top.tar", io.BytesIO(top), len(top))
            entries = []
            for name, entrypoint in ENTRYPOINTS.items():
                config["config"]["Entrypoint"] = entrypoint or None
                blob = json.dumps(config).encode()
                file = hashlib.sha256(blob).hexdigest() + ".json"
                _add(new, file, io.BytesIO(blob), len(blob))
                entries.append({"Config": file, "RepoTags": [name], "Layers": ["layer.tar", "top.tar"]})
            blob = json.dumps(entries).encode()
            _add(new, "manifest.json", io.BytesIO(blob), len(blob))
    part.rename(archive)


def _passwd(base: tarfile.TarFile) -> bytes:
    """The base's users, and PostgreSQL's."""
    with tarfile.open(fileobj=_open(base, "layer.tar")) as layer:
        users: bytes = _open(layer, "./etc/passwd").read()
        return users + POSTGRES_USER.encode()


def _layer(files: list[tuple[str, bytes]]) -> bytes:
    """A layer of plain files, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files:
            _add(tar, name, io.BytesIO(content), len(content))
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    tar.addfile(member, content)


def _open(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    assert found is not None, name
    return found
