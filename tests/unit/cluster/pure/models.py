"""Derives `schema.json` from the official Python client's models; run as a module, it writes the file anew."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client import models

from gameday.cluster.resources import RESOURCES
from gameday.cluster.schema import FILE, GENERIC, REQUIRED, type_of


def _required(model: Any) -> list[str]:
    """The fields of a model that may not be empty: numbers and words, for what else is missing is made."""
    return sorted(
        model.attribute_map[a]
        for a, kind in model.openapi_types.items()
        if kind in ("str", "int", "object") and a != "value" and model.model_fields[a].is_required()
    )


def derive() -> dict[str, dict[str, str]]:
    """The types that the served kinds are made of, read off the official client's models."""
    found: dict[str, dict[str, str]] = {}
    open_types = [type_of(r.kind, r.group) for r in RESOURCES] + ["V1Scale", "V1DeleteOptions", "V1Eviction"]
    while open_types:
        name = open_types.pop()
        model = getattr(models, name, None)
        if model is None or name in found:
            continue
        found[name] = {model.attribute_map[a]: kind for a, kind in model.openapi_types.items()}
        for kind in found[name].values():
            inner = GENERIC.fullmatch(kind)
            open_types.append(inner[2] if inner else kind)
    required = {name: " ".join(_required(getattr(models, name))) for name in sorted(found)}
    return {REQUIRED: {name: fields for name, fields in required.items() if fields}, **dict(sorted(found.items()))}


def text() -> str:
    """What the file should say."""
    return json.dumps(derive(), indent=0, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
