"""Faults of pods: too few or too many, killed, evicted, crashed, out of their Services.

Experiment files name them here; each kind is a module of its own.
"""

from __future__ import annotations

from gameday.activities.crashing import crash_pods
from gameday.activities.draining import drain_node
from gameday.activities.evicting import evict_pods
from gameday.activities.scaling import scale, scale_to_zero
from gameday.activities.terminating import terminate_pods
from gameday.activities.unready import make_unready

__all__ = ["crash_pods", "drain_node", "evict_pods", "make_unready", "scale", "scale_to_zero", "terminate_pods"]
