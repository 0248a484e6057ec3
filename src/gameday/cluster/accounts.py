"""Service accounts: what admission gives to their pods, and their tokens. The kubelet writes those, the API takes them.

There are no roles here: a token of a living pod may do whatever the cluster's own may.
Pods are processes of the same user, who can read that one anyway.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gameday.cluster.store import Object, Store

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_SOURCES = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [
        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
]  # fmt: skip


def find_account(store: Store, pod: Object) -> Object | None:
    """The service account of a pod."""
    return store.find("serviceaccounts", pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"])


def missing_account(store: Store, pod: Object) -> str:
    """What admission says when a pod's account is not there; each namespace gets its default one a moment later."""
    namespace, account = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
    if account == "default" or find_account(store, pod):
        return ""
    return f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'


def mount_token(store: Store, pod: Object) -> Object:
    """Give a new pod its account's token, unless it or its account does not want it. Edits in place."""
    spec, account = pod["spec"], find_account(store, pod) or {}
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    bare = [
        one
        for one in (*spec.get("initContainers", []), *spec.get("containers", []))
        if all(mount.get("mountPath") != MOUNT_PATH for mount in one.get("volumeMounts", []))
    ]
    if wanted and bare:
        name = f"kube-api-access-{uuid.uuid4().hex[:5]}"
        spec.setdefault("volumes", []).append({"name": name, "projected": {"sources": _SOURCES, "defaultMode": 0o644}})
        for one in bare:
            mount = {"name": name, "mountPath": MOUNT_PATH, "readOnly": True}
            one.setdefault("volumeMounts", []).append(mount)
    return pod


@dataclass(frozen=True)
class Tokens:
    """The tokens of one cluster, signed with a key that lives as long as its daemon."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def make(self, pod: Object) -> str:
        """A pod's token, a JSON Web Token. It holds as long as the pod exists."""
        meta, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        claims = {
            "iss": "https://kubernetes.default.svc.cluster.local",
            "sub": f"system:serviceaccount:{meta['namespace']}:{account}",
            "kubernetes.io": {"namespace": meta["namespace"], "pod": {"name": meta["name"], "uid": meta["uid"]},
                              "serviceaccount": {"name": account}},
        }  # fmt: skip
        body = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{body}.{self._signature(body)}"

    def accepts(self, store: Store, token: str) -> bool:
        """Whether a token is ours and its pod exists."""
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(_bytes(signature), self._signature(body).encode()):
            return False
        text = body.partition(".")[2]
        claims: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["kubernetes.io"]
        pod = store.find("pods", claims["namespace"], claims["pod"]["name"])
        return pod is not None and pod["metadata"]["uid"] == claims["pod"]["uid"]

    def _signature(self, body: str) -> str:
        return _encode(hmac.digest(self.key, _bytes(body), hashlib.sha256))


def _bytes(text: str) -> bytes:
    """Of a header, which may be anything."""
    return text.encode("utf-8", "surrogateescape")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
