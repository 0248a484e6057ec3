"""The mailer's configuration: a mounted folder, read whole, swapped at once, named by its hash."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gameday.storefront.logs import log

Signature = tuple[tuple[str, int, int, int], ...]


class Held(Exception):  # noqa: N818 - not an error of ours: the mail waits for a better configuration
    """A mail must not be sent as things are; says why."""


@dataclass(frozen=True)
class Config:
    """One version of the folder: file names and their text."""

    files: Mapping[str, str]
    sha256: str
    loaded_at: float = field(default_factory=time.time)
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, files: Mapping[str, str]) -> "Config":
        """Name `files` by the hash over their sorted names and contents, each ended by a zero byte."""
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(f"{name}\0{files[name]}\0".encode())
        return cls(dict(files), digest.hexdigest())

    def audience_rule(self, template: str) -> str:
        """Whom `template` is for, as audience.yaml has it; raises Held when it does not say so plainly."""
        rules = self.yaml("audience.yaml")
        rule = rules.get(template) if isinstance(rules, dict) else None
        if not isinstance(rule, dict) or not isinstance(rule.get("to"), str):
            raise Held(f"audience.yaml has no rule for {template}")
        return str(rule["to"])

    def yaml(self, name: str) -> Any:
        """What the file `name` holds, read once; raises Held when it is missing or no YAML."""
        if name not in self._loaded:
            try:
                self._loaded[name] = yaml.safe_load(self.files[name])
            except (KeyError, yaml.YAMLError) as error:
                raise Held(f"{name} cannot be read: {type(error).__name__}") from None
        return self._loaded[name]

    def content_sha256(self, template: str) -> str:
        """Names what a template consists of, whatever else the folder holds: what was approved is what is sent."""
        return self.of({name: text for name, text in self.files.items() if name.startswith(f"{template}.")}).sha256


class ConfigFolder:
    """Follows a folder on disk, as a kubelet mounts a ConfigMap; never mixes two versions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: Signature | None = None
        self._complaint = ""
        self.current: Config | None = None

    def refresh(self) -> None:
        """Read the folder when it has changed; keeps the last good version while it cannot be read."""
        try:
            before = self._signature()
            if before == self._seen:
                return
            files = {name: (self._source() / name).read_text(encoding="utf-8") for name, *_ in before}
            if self._signature() != before:
                return  # it changed under our eyes; the next look finds it at rest
        except (OSError, UnicodeDecodeError) as error:
            if repr(error) != self._complaint:
                self._complaint = repr(error)
                log("config-unreadable", error=self._complaint)
            return
        self._seen = before
        config = Config.of(files)
        if files and (self.current is None or config.sha256 != self.current.sha256):
            self.current = config
            log("config-loaded", config_sha256=config.sha256, files=len(files))

    def _source(self) -> Path:
        """The folder itself or, as a kubelet lays it out, the version that `..data` points at."""
        data = self._folder / "..data"
        return data.resolve() if data.exists() else self._folder

    def _signature(self) -> Signature:
        source = self._source()
        found = [(path, path.stat()) for path in sorted(source.iterdir()) if not path.name.startswith(".")]
        return tuple((path.name, at.st_mtime_ns, at.st_size, at.st_ino) for path, at in found if path.is_file())
