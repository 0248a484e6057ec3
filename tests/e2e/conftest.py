"""What several of these tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.nobody import Nobody, somebody_else

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    """A user without rights, with an interpreter within reach."""
    with somebody_else() as user:
        yield user
