"""The types of all fields are those of the official client."""

from __future__ import annotations

from gameday.cluster.schema import FILE
from tests.unit.cluster.pure import models


def test_the_schema_is_what_the_clients_models_say() -> None:
    """The committed file is what would be derived today."""
    assert FILE.read_text() == models.text(), "run `python -m tests.unit.cluster.pure.models`"
