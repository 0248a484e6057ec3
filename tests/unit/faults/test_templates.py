"""Template faults: what the new value is, and the digest that services report."""

from __future__ import annotations

import hashlib

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday.activities.templates import changed, config_sha256


def test_replacements_apply_in_order() -> None:
    """Each find must be in what the one before left."""
    assert changed("to: owner", [{"find": "owner", "with": "all"}, {"find": "all", "with": "none"}], None) == "to: none"


@pytest.mark.parametrize(
    ("replace", "value", "says"),
    [
        (None, None, "either"),
        ([], "x", "either"),
        ([{"find": "nowhere", "with": "x"}], None, "not in the present value"),
        ([{"find": "", "with": "x"}], None, "expected find"),
        ([{"find": "owner"}], None, "expected find"),
        ([{"find": "owner", "with": "owner"}], None, "change nothing"),
        (None, "to: owner", "change nothing"),
    ],
)
def test_a_change_that_changes_nothing_is_refused(
    replace: list[dict[str, str]] | None, value: str | None, says: str
) -> None:
    """A fault that does nothing must not read as success."""
    with pytest.raises(ActivityFailed, match=says):
        changed("to: owner", replace, value)


def test_the_digest_is_over_sorted_keys_and_values() -> None:
    """The order of the keys does not matter, the bytes are utf-8."""
    expected = hashlib.sha256("a\0é\0b\0x\0".encode()).hexdigest()
    assert config_sha256({"b": "x", "a": "é"}) == config_sha256({"a": "é", "b": "x"}) == expected
