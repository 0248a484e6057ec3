"""What of chaostoolkit-kubernetes only looks, and which of our own actions stand in for those of its that act. Data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["INSTEAD", "LOOKING"]

LOOKING: Mapping[str, tuple[str, ...]] = {
    "chaosmesh.network.probes": ("get_network_fault", "get_network_faults"),
    "chaosmesh.stress.probes": ("get_stressor", "get_stressors"),
    "crd.probes": (
        "get_cluster_custom_object", "get_custom_object", "list_cluster_custom_objects", "list_custom_objects",
    ),
    "daemonset.probes": (
        "daemon_set_available_and_healthy", "daemon_set_fully_available", "daemon_set_not_fully_available",
        "daemon_set_partially_available",
    ),
    "deployment.probes": (
        "deployment_available_and_healthy", "deployment_fully_available", "deployment_not_fully_available",
        "deployment_partially_available",
    ),
    "event.probes": ("get_events",),
    "namespace.probes": ("namespace_exists",),
    "networking.probes": ("ingress_exists",),
    "node.probes": (
        "all_nodes_must_be_ready_to_schedule", "get_all_node_status_conditions", "get_nodes", "nodes_must_be_healthy",
        "verify_nodes_condition",
    ),
    "pod.probes": (
        "count_min_pods", "count_pods", "pod_is_not_available", "pods_in_conditions", "pods_in_phase",
        "pods_not_in_phase", "read_pod_logs", "should_be_found_in_logs",
    ),
    "probes": (
        "all_microservices_healthy", "deployment_is_fully_available", "deployment_is_not_fully_available",
        "microservice_is_not_available", "read_microservices_logs", "secret_exists",
        "service_endpoint_is_initialized",
    ),
    "secret.probes": ("secret_exists",),
    "service.probes": ("service_is_initialized",),
    "statefulset.probes": ("statefulset_fully_available", "statefulset_not_fully_available"),
}  # fmt: skip
"""What of chaostoolkit-kubernetes 0.39 only looks, by module below `chaosk8s`.

Some of it is easily content (a pod in CrashLoopBackOff is in the phase Running), but no probe that is not ours can make
a verdict passed: it looks once, not at a whole window. `probes.microservice_available_and_healthy` is left out: it
returns nothing.
"""

INSTEAD: Mapping[str, str] = {
    "actions.kill_microservice": "pods.scale_to_zero",
    "actions.scale_microservice": "pods.scale",
    "chaosmesh.network.actions.add_latency": "network.delay_requests",
    "deployment.actions.delete_deployment": "pods.scale_to_zero",
    "deployment.actions.scale_deployment": "pods.scale",
    "node.actions.cordon_node": "pods.drain_node",
    "node.actions.drain_nodes": "pods.drain_node",
    "pod.actions.terminate_pods": "pods.terminate_pods",
    "replicaset.actions.delete_replica_set": "pods.terminate_pods",
}
"""Which of our own actions, below `gameday.activities`, does with a ledger entry what one of its does without."""
