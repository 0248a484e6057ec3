"""Kubernetes' Pod Security Standards, rule by rule, as published for 1.36: `baseline`, and what `restricted` adds.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ names the rules as they are named here. Each is
a function from a pod (its metadata and spec) to what breaks it, in words; the rules for Windows pods are left out,
save the one that forbids host processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pod = dict[str, Any]

CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
CONFINED = {"RuntimeDefault", "Localhost"}


def containers(pod: Pod) -> list[Pod]:
    """All containers, init and ephemeral ones too."""
    spec = pod["spec"]
    return [c for kind in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(kind) or []]


def contexts(pod: Pod) -> Iterator[tuple[str, Pod]]:
    """The pod's security context and each container's, with whose it is."""
    yield "pod", pod["spec"].get("securityContext") or {}
    for one in containers(pod):
        yield one["name"], one.get("securityContext") or {}


def _own(pod: Pod) -> Iterator[tuple[str, Pod]]:
    yield from list(contexts(pod))[1:]


def host_process(pod: Pod) -> Iterator[str]:
    """No Windows pod runs as a process of the host."""
    for name, context in contexts(pod):
        if (context.get("windowsOptions") or {}).get("hostProcess"):
            yield f"{name}: windowsOptions.hostProcess"


def host_namespaces(pod: Pod) -> Iterator[str]:
    """The host's network, processes and IPC are not shared."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod["spec"].get(key):
            yield key


def privileged_containers(pod: Pod) -> Iterator[str]:
    """No container is privileged."""
    for name, context in _own(pod):
        if context.get("privileged"):
            yield f"{name}: privileged"


def capabilities(pod: Pod) -> Iterator[str]:
    """Only harmless capabilities are added."""
    for name, context in _own(pod):
        extra = set((context.get("capabilities") or {}).get("add") or []) - CAPABILITIES
        if extra:
            yield f"{name}: adds {sorted(extra)}"


def host_path_volumes(pod: Pod) -> Iterator[str]:
    """No folder of the host is mounted."""
    for volume in pod["spec"].get("volumes") or []:
        if "hostPath" in volume:
            yield f"volume {volume['name']}: hostPath"


def host_ports(pod: Pod) -> Iterator[str]:
    """No port of the host is taken."""
    for one in containers(pod):
        for port in one.get("ports") or []:
            if port.get("hostPort"):
                yield f"{one['name']}: hostPort {port['hostPort']}"


def host_probes_and_lifecycle_hooks(pod: Pod) -> Iterator[str]:
    """No probe or hook has the kubelet ask another host."""
    for one in containers(pod):
        hooks = [one.get(key) or {} for key in ("livenessProbe", "readinessProbe", "startupProbe")]
        hooks += list((one.get("lifecycle") or {}).values())
        for hook in hooks:
            for kind in ("httpGet", "tcpSocket"):
                if (hook.get(kind) or {}).get("host"):
                    yield f"{one['name']}: {kind}.host"


def app_armor(pod: Pod) -> Iterator[str]:
    """AppArmor is not switched off."""
    for key, value in (pod["metadata"].get("annotations") or {}).items():
        if key.startswith(APPARMOR) and value != "runtime/default" and not value.startswith("localhost/"):
            yield f"{key}: {value}"
    for name, context in contexts(pod):
        if "appArmorProfile" in context and context["appArmorProfile"].get("type") not in CONFINED:
            yield f"{name}: appArmorProfile"


def selinux(pod: Pod) -> Iterator[str]:
    """No SELinux type but a container's, no user or role."""
    for name, context in contexts(pod):
        options = context.get("seLinuxOptions") or {}
        if options.get("type") not in SELINUX_TYPES or options.get("user") or options.get("role"):
            yield f"{name}: seLinuxOptions"


def proc_mount_type(pod: Pod) -> Iterator[str]:
    """/proc keeps its masks."""
    for name, context in _own(pod):
        if context.get("procMount", "Default") != "Default":
            yield f"{name}: procMount"


def seccomp(pod: Pod) -> Iterator[str]:
    """Seccomp is not switched off."""
    for name, context in contexts(pod):
        if (context.get("seccompProfile") or {"type": "RuntimeDefault"}).get("type") not in CONFINED:
            yield f"{name}: seccompProfile"


def sysctls(pod: Pod) -> Iterator[str]:
    """Only safe sysctls are set."""
    for one in (pod["spec"].get("securityContext") or {}).get("sysctls") or []:
        if one["name"] not in SYSCTLS:
            yield f"sysctl {one['name']}"


def volume_types(pod: Pod) -> Iterator[str]:
    """Volumes are of the kinds that need no trust."""
    for volume in pod["spec"].get("volumes") or []:
        if not volume.keys() - {"name"} <= VOLUMES or len(volume) < 2:  # a name alone is an emptyDir, unsaid
            yield f"volume {volume['name']}"


def privilege_escalation(pod: Pod) -> Iterator[str]:
    """No container gains privileges by a setuid program."""
    for name, context in _own(pod):
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{name}: allowPrivilegeEscalation"


def running_as_non_root(pod: Pod) -> Iterator[str]:
    """Each container must not run as root, and says so itself or by its pod."""
    (_, whole), *parts = contexts(pod)
    for name, context in parts:
        if context.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
            yield f"{name}: runAsNonRoot"


def running_as_non_root_user(pod: Pod) -> Iterator[str]:
    """Nobody asks for user 0."""
    for name, context in contexts(pod):
        if context.get("runAsUser") == 0:
            yield f"{name}: runAsUser 0"


def seccomp_restricted(pod: Pod) -> Iterator[str]:
    """Seccomp is switched on, by each container or by the pod."""
    (_, whole), *parts = contexts(pod)
    for name, context in parts:
        if (context.get("seccompProfile") or whole.get("seccompProfile") or {}).get("type") not in CONFINED:
            yield f"{name}: seccompProfile"


def capabilities_restricted(pod: Pod) -> Iterator[str]:
    """All capabilities are dropped, and at most that of low ports is added."""
    for name, context in _own(pod):
        asked = context.get("capabilities") or {}
        if "ALL" not in (asked.get("drop") or []) or set(asked.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield f"{name}: capabilities {asked}"


BASELINE: dict[str, Callable[[Pod], Iterator[str]]] = {
    "HostProcess": host_process,
    "Host Namespaces": host_namespaces,
    "Privileged Containers": privileged_containers,
    "Capabilities": capabilities,
    "HostPath Volumes": host_path_volumes,
    "Host Ports": host_ports,
    "Host Probes / Lifecycle Hooks": host_probes_and_lifecycle_hooks,
    "AppArmor": app_armor,
    "SELinux": selinux,
    "/proc Mount Type": proc_mount_type,
    "Seccomp": seccomp,
    "Sysctls": sysctls,
}
RESTRICTED: dict[str, Callable[[Pod], Iterator[str]]] = {
    **BASELINE,
    "Volume Types": volume_types,
    "Privilege Escalation": privilege_escalation,
    "Running as Non-root": running_as_non_root,
    "Running as Non-root user": running_as_non_root_user,
    "Seccomp (restricted)": seccomp_restricted,
    "Capabilities (restricted)": capabilities_restricted,
}
