"""The controllers: each one a level-triggered loop over the store, which alone they read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.cluster.controllers import deployments, disruption, endpoints, garbage, namespaces, replicasets

if TYPE_CHECKING:
    from gameday.cluster.reconcile import Loop
    from gameday.cluster.store import Store

__all__ = ["make_loops"]


def make_loops(store: Store, ca_pem: str = "") -> list[Loop]:
    """All controllers' loops; the caller runs them. `ca_pem` goes into each namespace's kube-root-ca.crt."""
    return [
        deployments.make_loop(store),
        replicasets.make_loop(store),
        disruption.make_loop(store),
        endpoints.make_loop(store),
        garbage.make_loop(store),
        namespaces.make_loop(store, ca_pem),
    ]
