"""Which clusters may be attacked without being named: embedded and kind ones, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from gameday.activities.guard import NotAllowedError, check_context
from gameday.kube import connect_from_environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's kubeconfig; nothing else is told."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_CONTEXT", raising=False)
    return tmp_path / "config"


def write(kubeconfig: Path, context: str, server: str) -> None:
    """A kubeconfig whose current context is that."""
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": context,
                "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )


@pytest.mark.parametrize(
    ("context", "server"),
    [
        ("kind-kind", "https://127.0.0.1:6443"),
        ("gameday-local", "http://127.77.0.1:5000"),
        ("kind-x", "https://localhost:1"),
        ("kind-6", "https://[::1]:1"),
    ],
)
def test_embedded_and_kind_clusters_need_no_name(kubeconfig: Path, context: str, server: str) -> None:
    """They are there to be broken."""
    write(kubeconfig, context, server)
    check_context(connect_from_environment())


@pytest.mark.parametrize(
    ("context", "server"),
    [
        ("prod", "https://prod.example"),
        ("prod", "https://127.0.0.1:6443"),
        ("kind-prod", "https://prod.example"),
        ("gameday-prod", "https://10.0.0.1"),
        ("kind-prod", "https://127.0.0.1.prod.example"),
        ("not-kind-x", "https://127.0.0.1"),
    ],
)
def test_any_other_current_context_must_be_spelled_out(
    kubeconfig: Path, context: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whatever its owner used last; a name alone makes no kind cluster, for that is on this machine."""
    write(kubeconfig, context, server)
    with pytest.raises(NotAllowedError, match=f"KUBERNETES_CONTEXT={context} .gameday run: --context {context}"):
        check_context(connect_from_environment())
    monkeypatch.setenv("KUBERNETES_CONTEXT", context)
    check_context(connect_from_environment())
