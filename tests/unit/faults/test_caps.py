"""How much of a namespace one fault may hit, and what an experiment says to hit more."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gameday.activities.caps import Caps
from gameday.activities.guard import is_gamedays
from gameday.activities.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    ("caps", "of", "most"),
    [
        (Caps(), 13, 6),
        (Caps(), 100, 20),
        (Caps(), 1, 0),
        (Caps(max_share=1), 1, 1),
        (Caps(max_pods=1), 13, 1),
        (Caps(max_share=0.1), 30, 3),
        (Caps(max_share=0.07), 100, 7),
    ],
)
def test_the_lesser_of_number_and_share(caps: Caps, of: int, most: int) -> None:
    """Exactly as many are allowed, and not one more."""
    assert caps.most(of) == most
    assert caps.refusal(most, of) is None
    assert caps.refusal(most + 1, of) is not None


@pytest.mark.parametrize(("hit", "of"), [(10, 13), (30, 40), (2, 3), (1, 1), (7, 7), (29, 29)])
def test_a_refusal_names_a_way_that_leads_through(hit: int, of: int) -> None:
    """Doing as one is told, once for each cap, ends in being allowed."""
    caps = Caps()
    for _ in range(2):
        why = caps.refusal(hit, of)
        if why is None:
            break
        assert f"{hit} of the namespace's {of} pods would be hit" in why
        told = re.search(r"guard: \{(\w+): ([\d.]+)\}", why)
        assert told is not None
        name, value = told.groups()
        caps = Caps(**{**vars(caps), name: float(value)})
    assert caps.refusal(hit, of) is None


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ({"max_pod": 3}, "unknown argument 'max_pod'"),
        ({"max_pods": 0}, "max_pods is 0"),
        ({"max_pods": 2.5}, "max_pods is 2.5, expected a whole number"),
        ({"max_pods": True}, "max_pods is True"),
        ({"max_share": 1.5}, "max_share is 1.5"),
        ({"max_share": 0}, "max_share is 0"),
        ([1], "guard is"),
    ],
)
def test_caps_that_cannot_be_are_refused(guard: Any, said: str) -> None:
    """Before anything is started; a percentage instead of a share above all."""
    with pytest.raises(SettingsError, match=re.escape(said)):
        read_settings({"namespace": "shop", "guard": guard})


def test_caps_are_read_from_the_control() -> None:
    """What is left out keeps its default."""
    assert read_settings({"namespace": "shop"}).caps == Caps()
    assert read_settings({"namespace": "shop", "guard": {"max_share": 0.8}}).caps == Caps(max_share=0.8)
    assert read_settings({"namespace": "shop", "guard": {"max_pods": 3}}).caps == Caps(max_pods=3)


def test_the_guardian_and_fault_proxies_are_no_part_of_the_shop() -> None:
    """They would make a share look smaller than it is."""
    assert is_gamedays({"app": "gameday-guardian"})
    assert is_gamedays({"gameday.dev/fault-proxy": "catalog"})
    assert not is_gamedays({"gameday.dev/fault": "wrong-image-1"}), "a pod of the shop's that a fault changed"
    assert not is_gamedays({"app": "web", "tier": "backend"})
