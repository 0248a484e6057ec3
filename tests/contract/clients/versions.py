"""Which clients the suite runs, and in which versions; a record of a run has them, and so has the documentation."""

from __future__ import annotations

from importlib import metadata

from tests.contract.clients.environments import VERSIONS
from tests.contract.clients.kubectls import dotted, programs

__all__ = ["clients"]


def clients() -> dict[str, str]:
    """The name of each client, and its version; of a kubectl that is not there, that it is not."""
    found = {f"kubectl ({program.origin})": dotted(program) for program in programs()}
    return {
        "kubectl (machine)": "none at hand",
        **found,
        "kubernetes (Python)": ", ".join(VERSIONS),
        **{name: metadata.version(name) for name in ("chaostoolkit-kubernetes", "chaostoolkit")},
    }
