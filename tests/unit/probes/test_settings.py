"""The control's arguments, and probes without a session."""

from typing import Any

import pytest

from gameday.activities import session
from gameday.activities.control import LastWord, validate_control
from gameday.activities.probes.pages import page_error_rate_below
from gameday.activities.settings import SettingsError, read_settings


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace is all that is needed."""
    monkeypatch.setenv("GAMEDAY_SEED", "9")
    settings = read_settings({"namespace": "shop"})
    assert (settings.namespace, settings.baseline_s, settings.plan.seed) == ("shop", 4.0, 9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "namespace"),
        ({"namespace": "${namespace}"}, "namespace"),
        ({"namespace": "shop", "basline_s": 4}, "basline_s"),
        ({"namespace": "shop", "baseline_s": "4"}, "baseline_s"),
        ({"namespace": "shop", "faultproxies": "catalog"}, "faultproxies"),
        ({"namespace": "shop", "shoppers": {"rate_per_s": 0}}, "rate_per_s"),
        ({"namespace": "shop", "shoppers": {"mix": {"steal": 1}}}, "steal"),
        ({"namespace": "shop", "shoppers": {"rate": 1}}, "rate"),
        ({"namespace": "shop", "shoppers": 3}, "mapping"),
    ],
)
def test_each_mistake_is_named(arguments: dict[str, Any], said: str) -> None:
    """What is wrong is in the message."""
    with pytest.raises(SettingsError, match=said):
        read_settings(arguments)


def test_chaos_validate_sees_them_too() -> None:
    """Before anything is run; a namespace that is filled in later is fine."""
    validate_control({"name": "gameday", "provider": {"arguments": {"namespace": "${namespace}"}}})
    with pytest.raises(Exception, match="recovery"):
        validate_control({"name": "gameday", "provider": {"arguments": {"namespace": "x", "recovery": 1}}})


def test_a_probe_without_a_session_refuses() -> None:
    """An experiment whose control is missing cannot pass."""
    session.close_session()
    with pytest.raises(session.NotRunningError, match="control"):
        page_error_rate_below(0.05)


def test_a_journal_without_a_verdict_is_an_error() -> None:
    """Whatever broke on the way, `chaos run` must not exit with 0."""
    journal: dict[str, Any] = {"status": "completed", "deviated": False}
    LastWord().finish(journal)
    assert journal["gameday"]["verdict"] == "error"
    assert journal["status"] == "aborted"
