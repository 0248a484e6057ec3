"""How much of a namespace one fault may hit: a number of pods, and a share of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caps"]


@dataclass(frozen=True)
class Caps:
    """The most that one fault may have down at the same time, whichever is less.

    `max_pods`: so many pods. `max_share`: this share (0 to 1) of the namespace's pods that run, Gameday's own left out.
    By default a fault that would take half a shop away is taken for a slip of its selector: an experiment that means it
    says so in its control's arguments, `guard: {max_share: 0.8}`.
    """

    max_pods: int = 20
    max_share: float = 0.5

    def most(self, of: int) -> int:
        """How many pods of a namespace with `of` pods may be down at the same time; at least 0, at most `of`."""
        return min(self.max_pods, int(self.max_share * of + 1e-9), of)  # 0.1 * 30 is a little less than 3

    def refusal(self, hit: int, of: int) -> str | None:
        """Why a fault may not hit that many of a namespace's pods, and how to allow it; None when it may."""
        if hit > self.max_pods:
            return (
                f"{hit} of the namespace's {of} pods would be hit, at most {self.max_pods} may be (max_pods); narrow "
                f"the selector, or allow it in the control's arguments with guard: {{max_pods: {hit}}}"
            )
        if hit > self.most(of):
            share = -(-100 * hit // of) / 100
            return (
                f"{hit} of the namespace's {of} pods would be hit, at most {self.most(of)} may be (max_share "
                f"{self.max_share:g}); narrow the selector, or allow it in the control's arguments with guard: "
                f"{{max_share: {share:g}}}"
            )
        return None
