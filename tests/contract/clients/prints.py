"""What kubectl prints where the embedded cluster refuses; tests hold it to that, the documentation tells it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRINTS", "Printed"]

_NOT = "not served by the embedded cluster; run this on kind or another real cluster"


@dataclass(frozen=True)
class Printed:
    """How a command of kubectl ends."""

    code: int
    last: str
    """How the last line of its errors ends."""
    newer: str | None = None
    """How it ends by a kubectl newer than 1.33, where that says it otherwise."""

    def by(self, version: tuple[int, int]) -> str:
        """How the last line ends by a kubectl of this version."""
        return self.newer if self.newer and version > (1, 33) else self.last


PRINTS = {
    "apply --server-side": Printed(
        1,
        "error: Server-side apply not available on the server: "
        f"(server-side apply (application/apply-patch+yaml): {_NOT})",
    ),
    "port-forward": Printed(1, f"pods/portforward: {_NOT}"),
    "attach": Printed(1, f"pods/attach: {_NOT}"),
    "debug": Printed(1, f"pods/ephemeralcontainers: {_NOT}"),
    "cordon": Printed(0, f"cordon and drain (a change of a node's spec): {_NOT}"),
    "drain": Printed(0, f"cordon and drain (a change of a node's spec): {_NOT}"),
    "create token": Printed(1, f"error: failed to create token: serviceaccounts/token: {_NOT}"),
    "autoscale": Printed(
        1,
        f"Error from server (NotFound): horizontalpodautoscalers of autoscaling/v1: {_NOT}",
        "error: failed to create autoscaling/v2 HPA and the configuration is incompatible with autoscaling/v1: "
        "empty input",
    ),
    "create ingress": Printed(1, f"error: failed to create ingress: ingresses of networking.k8s.io/v1: {_NOT}"),
    "create job": Printed(1, f"error: failed to create job: jobs of batch/v1: {_NOT}"),
    "create role": Printed(1, f"Error from server (NotFound): roles of rbac.authorization.k8s.io/v1: {_NOT}"),
    "get statefulsets": Printed(1, 'error: the server doesn\'t have a resource type "statefulsets"'),
}
"""By command. Exit code 0 of cordon and drain is kubectl's own: drain goes on and evicts the pods of the node."""
