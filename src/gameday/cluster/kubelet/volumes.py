"""Volumes as folders of the pod: ConfigMaps and Secrets swapped whole, emptyDirs that live as long as the pod."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cluster.kubelet.environment import ConfigError, data_of, expand, field_value, resource_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.cluster.accounts import Tokens
    from gameday.cluster.store import Object, Store

Files = dict[str, tuple[bytes, int | None]]
"""Path in the volume: content, and mode when it has one of its own."""


class Volumes:
    """One pod's volumes, below `folder`."""

    def __init__(self, store: Store, tokens: Tokens, folder: Path) -> None:
        self._store = store
        self._tokens = tokens
        self._folder = folder

    def prepare(self, pod: Object) -> None:
        """Make every volume's folder with its content. Raises ConfigError, OSError."""
        for volume in pod["spec"].get("volumes", []):
            place = self._folder / volume["name"]
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
            if "emptyDir" in volume:
                place.chmod(0o777)  # as the real one
        self.refresh(pod)

    def refresh(self, pod: Object) -> bool:
        """Bring ConfigMap and Secret volumes up to date; whether anything changed. Raises ConfigError, OSError."""
        changed = False
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" not in volume:
                mode, files = self._files(pod, volume)
                changed |= self._swap(self._folder / volume["name"], files, mode)
        return changed

    def places(self, container: Object, variables: Mapping[str, str]) -> dict[str, str]:
        """Where this container's mount paths are. Raises ConfigError."""
        places = {}
        for mount in container.get("volumeMounts", []):
            place = self._folder / mount["name"]
            if not place.exists():
                raise ConfigError(f'volume "{mount["name"]}" is not defined')
            if not (path := mount["mountPath"].rstrip("/")):
                raise ConfigError(f'volume "{mount["name"]}": mountPath "{mount["mountPath"]}" would hide the root')
            sub = mount.get("subPath") or expand(mount.get("subPathExpr", ""), variables)
            _check_inside(sub)
            if sub and not (place / sub).exists():
                (place / sub).mkdir(parents=True)
            places[path] = str(self._fixed(place, sub) if sub else place)
        return places

    def _fixed(self, place: Path, sub: str) -> Path:
        """A subPath is mounted as it is now: later refreshes never reach it."""
        source = place / sub
        if not (place / "..data").exists():
            return source  # an emptyDir: the same file, no copy
        copy = self._folder.parent / "subpaths" / place.name / sub
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, copy)
        return copy

    def _files(self, pod: Object, volume: Object) -> tuple[int, Files]:
        """The default mode, and for each path its content and mode."""
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", 0o644)
            files: Files = {}
            for source in volume["projected"].get("sources", []):
                files |= self._source(pod, source)
            return mode, files
        spec: Object = next((volume[k] for k in ("configMap", "secret", "downwardAPI") if k in volume), {})
        return spec.get("defaultMode", 0o644), self._source(pod, volume)

    def _source(self, pod: Object, source: Object) -> Files:
        namespace = pod["metadata"]["namespace"]
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return {i["path"]: (self._downward(pod, i).encode(), i.get("mode")) for i in items}
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: (self._tokens.make(pod).encode(), 0o600)}
        for field, resource in (("configMap", "configmaps"), ("secret", "secrets")):
            if field in source:
                return _select(data_of(self._store, namespace, resource, source[field]) or {}, source[field])
        return {}

    def _downward(self, pod: Object, item: Object) -> str:
        if "fieldRef" in item:
            return field_value(pod, item["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in item:
            return resource_value(self._store, pod, item["resourceFieldRef"])
        raise ConfigError(f"downwardAPI item {item.get('path')} has neither fieldRef nor resourceFieldRef")

    def _swap(self, place: Path, files: Mapping[str, tuple[bytes, int | None]], mode: int) -> bool:
        """Put all files in place at once, by one rename of the `..data` link, as the kubelet does."""
        link = place / "..data"
        if link.exists() and _read(link) == {path: content for path, (content, _) in files.items()}:
            return False
        old = link.resolve() if link.exists() else None
        fresh = place / f"..{uuid.uuid4().hex[:12]}"
        pending = place / "..data_tmp"
        try:
            _fill(fresh, files, mode)
            pending.symlink_to(fresh.name)
            pending.rename(link)
        except (OSError, ValueError):  # it will be tried again, with a folder of another name
            pending.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        _link_names(place, {path.split("/")[0] for path in files})
        if old:
            shutil.rmtree(old, ignore_errors=True)
        return True


def _check_inside(sub: str) -> None:
    """What variables have made of a subPath must stay in the volume. Raises ConfigError."""
    if sub.startswith("/"):
        raise ConfigError(f"error SubPath `{sub}` must not be an absolute path")
    if ".." in sub.split("/"):
        raise ConfigError(f"unable to provision SubPath `{sub}`: must not contain '..'")


def _select(data: Mapping[str, bytes], spec: Object) -> Files:
    if not spec.get("items"):
        return {key: (content, None) for key, content in data.items()}
    missing = [i["key"] for i in spec["items"] if i["key"] not in data]
    if missing and not spec.get("optional"):
        raise ConfigError(f"references non-existent config key: {missing[0]}")
    return {i["path"]: (data[i["key"]], i.get("mode")) for i in spec["items"] if i["key"] in data}


def _read(link: Path) -> dict[str, bytes]:
    root = link.resolve()
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def _fill(folder: Path, files: Mapping[str, tuple[bytes, int | None]], mode: int) -> None:
    folder.mkdir(mode=0o755)
    for path, (content, own_mode) in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(own_mode if own_mode is not None else mode)


def _link_names(place: Path, names: set[str]) -> None:
    for entry in place.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        if not (place / name).is_symlink():
            (place / name).symlink_to(Path("..data") / name)
