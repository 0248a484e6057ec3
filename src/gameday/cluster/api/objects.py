"""Create, read, update, patch and delete: the verbs on objects, from request to store and back."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.cluster import patches, schema, tables
from gameday.cluster.api import evictions, validation
from gameday.cluster.api.conversions import scale_of, shown, stored
from gameday.cluster.api.errors import (
    AdmissionError,
    ApiError,
    Cause,
    from_store,
    invalid,
    not_found,
    unprocessable,
    unsupported,
)
from gameday.cluster.api.forms import Pages, formed, listed
from gameday.cluster.api.refusals import APPLY, unserved
from gameday.cluster.api.requests import (
    Filter,
    Object,
    Place,
    answer,
    flag,
    parse_filter,
    read_body,
    whole_number,
)
from gameday.cluster.api.warnings import warnings_for
from gameday.cluster.defaults import apply_defaults, has_status, reset_status
from gameday.cluster.resources import Resource
from gameday.cluster.store import AlreadyExistsError, ConflictError, complete_name, now

if TYPE_CHECKING:
    from aiohttp import web

    from gameday.cluster.store import Store

AdmissionHook = Callable[[str, Object], None]
"""Called with the resource's store name and a private copy to edit; raises AdmissionError to refuse."""

_SERVER_KEPT = ("uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields",
                "deletionTimestamp", "deletionGracePeriodSeconds")  # fmt: skip
_RETURNS_ITSELF = ("pods", "services", "serviceaccounts")
"""Resources whose DELETE answers with the object instead of a Status."""

_IMMORTAL = ("default", "kube-public", "kube-system")
"""Namespaces that cannot be deleted."""
_OPTIONS = Resource("meta.k8s.io", "v1", "options", "options", "DeleteOptions")
_SCALE = Resource("autoscaling", "v1", "scales", "scale", "Scale")

_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": patches.apply_operations,
    "application/merge-patch+json": patches.merge,
    "application/strategic-merge-patch+json": patches.strategic_merge,
}


class Objects:
    """The verbs on the store's objects."""

    def __init__(self, store: Store, admit: Sequence[AdmissionHook]) -> None:
        self._store = store
        self._admit = admit
        self._pages = Pages()

    # --- reading

    def read(self, request: web.Request, place: Place) -> web.Response:
        """GET of one object, or of its status or scale."""
        obj = self._get(place)
        if place.subresource == "scale":
            return answer(self._scale(obj))
        return answer(formed(request, place, obj))

    def collect(self, request: web.Request, place: Place) -> web.Response:
        """GET of a collection, or of a page of it."""
        found = self._chosen(place, parse_filter(place, request.query))
        return answer(self._pages.turn(request, place, found, self._store.revision))

    def _chosen(self, place: Place, chosen: Filter) -> list[Object]:
        return [o for o in self._store.list(place.key, place.namespace or None) if chosen.accepts(o)]

    def _get(self, place: Place) -> Object:
        found = self._store.find(place.key, place.namespace or "", place.name)
        if found is None:
            raise not_found(place.resource, place.name)
        return found

    # --- creating

    async def create(self, request: web.Request, place: Place) -> web.Response:
        """POST to a collection."""
        if place.resource.namespaced and place.namespace is None:
            raise ApiError(405, "the server does not allow this method on the requested resource")
        obj, warnings = _decoded(request, place, await read_body(request))
        meta = obj["metadata"]
        if meta.get("resourceVersion"):
            raise ApiError(400, "resourceVersion should not be set on objects to be created")
        for field in _SERVER_KEPT:
            meta.pop(field, None)
        obj = stored(place.resource, obj)
        self._check_namespace(place, meta.get("name", ""))
        apply_defaults(place.key, obj)
        reset_status(place.key, obj)
        complete_name(meta)
        _raise_any(place, obj, validation.validate(place.key, obj))
        warnings += warnings_for(place.key, obj)
        if found := self._store.find(place.key, place.namespace or "", meta["name"]):
            ending = "object is being deleted: " if "deletionTimestamp" in found["metadata"] else ""
            why = AlreadyExistsError(f'{ending}{place.resource.qualified} "{meta["name"]}" already exists')
            raise from_store(why, place.resource, meta["name"])
        if _dry(request):
            dry = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
            return answer(shown(place.resource, {**obj, "metadata": {**meta, **dry}}), status=201, warnings=warnings)
        self._admitted(place, obj)
        created = self._store.create(place.key, obj)
        return answer(formed(request, place, created), status=201, warnings=warnings)

    def _check_namespace(self, place: Place, name: str) -> None:
        """Nothing is created in a namespace that is missing (404) or going away (403)."""
        if not place.resource.namespaced:
            return
        namespace = self._store.find("namespaces", "", place.namespace or "")
        if namespace is None:
            details = {"name": place.namespace, "kind": "namespaces"}
            raise ApiError(404, f'namespaces "{place.namespace}" not found', details=details)
        if "deletionTimestamp" in namespace["metadata"]:
            why = f"unable to create new content in namespace {place.namespace} because it is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": f"namespace {place.namespace} is being terminated",
                     "field": "metadata.namespace"}  # fmt: skip
            raise ApiError(403, f'{place.resource.qualified} "{name}" is forbidden: {why}',
                           details={"name": name, "kind": place.resource.name, "causes": [cause]})  # fmt: skip

    def _admitted(self, place: Place, obj: Object) -> None:
        for hook in self._admit:
            try:
                hook(place.key, obj)
            except AdmissionError as problem:
                raise unprocessable(place.resource, obj["metadata"]["name"],
                                    [Cause("spec", str(problem))]) from problem  # fmt: skip
        if place.key == "services" and obj["spec"].get("clusterIP"):
            obj["spec"]["clusterIPs"] = [obj["spec"]["clusterIP"]]

    # --- changing

    async def replace(self, request: web.Request, place: Place) -> web.Response:
        """PUT of an object, its status, its scale, or a namespace's finalizers."""
        body = await read_body(request)
        old = self._get(place)
        if place.subresource == "scale":
            return answer(self._rescale(request, place, old, body))
        obj, warnings = _decoded(request, place, body)
        return self._change(request, place, old, stored(place.resource, obj), warnings)

    async def patch(self, request: web.Request, place: Place) -> web.Response:
        """PATCH, of the kind that the Content-Type says."""
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        apply = _PATCHES.get(kind)
        if kind == APPLY:
            raise unserved(415, f"server-side apply ({kind})")
        if apply is None:
            raise ApiError(415, "the body of the request was in an unknown format - accepted media types include: "
                                f"{', '.join(_PATCHES)}; observed {kind or 'none'}")  # fmt: skip
        body = await read_body(request)
        old = self._get(place)
        try:
            if place.subresource == "scale":
                how = patches.merge if apply is patches.strategic_merge else apply
                return answer(self._rescale(request, place, old, how(self._scale(old), body), mismatch=422))
            patched = apply(shown(place.resource, old), body)
        except patches.TooManyError as problem:
            raise ApiError(413, str(problem)) from problem
        except (patches.PatchError, TypeError, AttributeError) as problem:
            code = 422 if apply is patches.apply_operations else 400
            raise ApiError(
                code, f"the server rejected our request due to an error in our request: {problem}"
            ) from problem
        obj, warnings = _decoded(request, place, patched, mismatch=422)
        if (uid := obj["metadata"].get("uid")) != old["metadata"]["uid"]:
            _raise_any(place, obj, [invalid("metadata.uid", uid, "field is immutable")])
        return self._change(request, place, old, stored(place.resource, obj), warnings)

    def _change(
        self, request: web.Request, place: Place, old: Object, obj: Object, warnings: list[str]
    ) -> web.Response:
        """Store a changed object: the part of it that this place may change."""
        meta = obj["metadata"]
        if meta.get("name") != place.name:
            raise ApiError(400, f"the name of the object ({meta.get('name', '')}) does not match the name on the URL "
                                f"({place.name})")  # fmt: skip
        obj = copy.deepcopy(_merged(place, old, obj))
        if place.key == "nodes" and obj["spec"] != old["spec"]:
            raise unserved(501, "cordon and drain (a change of a node's spec)")
        if not place.subresource:
            # A pod's spec stays as the controller that made it wrote it.
            checked = copy.deepcopy(obj) if place.key == "pods" else obj
            apply_defaults(place.key, checked)
            causes = validation.validate(place.key, checked) + validation.validate_change(place.key, old, obj)
            _raise_any(place, obj, causes)
            warnings += warnings_for(place.key, obj)
        validation.check_size(place.key, obj)
        if _dry(request):
            return answer(formed(request, place, obj), warnings=warnings)
        if not place.subresource:
            self._admitted(place, obj)
        return answer(formed(request, place, self._store.update(place.key, obj)), warnings=warnings)

    def _scale(self, obj: Object) -> Object:
        return scale_of(obj, tables.format_selector(obj["spec"].get("selector") or {}))

    def _rescale(self, request: web.Request, place: Place, old: Object, scale: Any, *, mismatch: int = 400) -> Object:
        """Set the replicas that a Scale asks for, and return the Scale as it now is."""
        scale = _typed(scale, "Scale", mismatch)
        replicas = scale.get("spec", {}).get("replicas", 0)
        if replicas < 0:
            cause = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise unprocessable(_SCALE, place.name, [cause])
        revision = scale.get("metadata", {}).get("resourceVersion") or old["metadata"]["resourceVersion"]
        new = {**old, "spec": {**old["spec"], "replicas": replicas},
               "metadata": {**old["metadata"], "resourceVersion": revision}}  # fmt: skip
        return self._scale(new if _dry(request) else self._store.update(place.key, new))

    # --- deleting

    async def evict(self, request: web.Request, place: Place) -> web.Response:
        """POST of an Eviction: a deletion that the pod's disruption budget must allow."""
        body = _typed(await read_body(request), "Eviction")
        if body.get("metadata", {}).get("name") not in (None, "", place.name):
            raise ApiError(400, "name in URL does not match name in Eviction object")
        pod, sent = self._get(place), body.get("deleteOptions") or {}
        options, dry = _options(sent, {}), _dry(request) or sent.get("dryRun") == ["All"]
        _check_preconditions(place, pod, options)
        evictions.allow(self._store, pod, dry=dry)
        if not dry:
            self._remove(place, place.name, options)
        return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
                      status=201)  # fmt: skip

    async def delete(self, request: web.Request, place: Place) -> web.Response:
        """DELETE of one object: the object itself while it lingers, else a Status."""
        options = await _delete_options(request)
        old = self._get(place)
        if place.key == "namespaces" and place.name in _IMMORTAL:
            raise ApiError(403, f'namespaces "{place.name}" is forbidden: this namespace may not be deleted',
                           details={"name": place.name, "kind": "namespaces"})  # fmt: skip
        _check_preconditions(place, old, options)
        if _dry(request):
            return answer(formed(request, place, old))
        left = self._remove(place, place.name, options)
        if place.key in _RETURNS_ITSELF or self._store.find(place.key, place.namespace or "", place.name):
            return answer(formed(request, place, left))
        details = {"name": place.name, "group": place.resource.group, "kind": place.resource.name,
                   "uid": old["metadata"]["uid"]}  # fmt: skip
        return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                       "details": {k: v for k, v in details.items() if v}})  # fmt: skip

    async def delete_all(self, request: web.Request, place: Place) -> web.Response:
        """DELETE of a collection: what the selectors choose."""
        if "deletecollection" not in place.resource.verbs or (place.resource.namespaced and place.namespace is None):
            raise ApiError(405, "the server does not allow this method on the requested resource")
        options = await _delete_options(request)
        found = self._chosen(place, parse_filter(place, request.query))
        if not _dry(request):
            found = [self._remove(place, o["metadata"]["name"], options) for o in found]
        return answer(listed(request, place, found, {"resourceVersion": str(self._store.revision)}))

    def _remove(self, place: Place, name: str, options: Object) -> Object:
        return self._store.delete(place.key, place.namespace or "", name, grace_s=options["gracePeriodSeconds"],
                                  propagation=options["propagationPolicy"])  # fmt: skip


def _merged(place: Place, old: Object, obj: Object) -> Object:
    """The stored object with what this place lets a client change."""
    if place.subresource == "status":
        meta = {**old["metadata"], "resourceVersion": obj["metadata"].get("resourceVersion")}
        return {**old, "metadata": meta, "status": obj.get("status") or {}}
    if place.subresource == "finalize":
        return {**old, "spec": {"finalizers": (obj.get("spec") or {}).get("finalizers") or []}}
    obj["metadata"].pop("managedFields", None)
    if "spec" in old:
        obj.setdefault("spec", {})
    if has_status(place.key):
        obj["status"] = old.get("status", {})
    if place.key == "namespaces":
        obj["spec"] = old["spec"]
    if place.key == "services" and obj.get("spec", {}).get("type", "ClusterIP") != "ExternalName":
        for field in ("clusterIP", "clusterIPs"):
            if not obj["spec"].get(field) and field in old["spec"]:
                obj["spec"][field] = old["spec"][field]
    return obj


def _decoded(request: web.Request, place: Place, body: Any, *, mismatch: int = 400) -> tuple[Object, list[str]]:
    """The object in a body, pruned to what its kind knows, and warnings.

    Raises ApiError 400, and `mismatch` when a value has the wrong type.
    """
    resource = place.resource
    if not isinstance(body, dict):
        raise ApiError(400, f"expected a {resource.kind} object")
    prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    for field, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if body.get(field) not in (None, "", wanted):
            raise ApiError(400, f"{prefix}the {field} in the data ({body[field]}) does not match the expected {wanted}")
    check = schema.Check()
    pruned = check.read(body, schema.type_of(resource.kind, resource.group))
    if check.mismatched:
        raise ApiError(mismatch, prefix + f"json: {'; '.join(check.mismatched)}")
    strictness = request.query.get("fieldValidation") or "Warn"
    if check.unknown and strictness == "Strict":
        raise ApiError(400, prefix + f"strict decoding error: {', '.join(check.unknown)}")
    obj: Object = {"apiVersion": resource.api_version, "kind": resource.kind, **pruned}
    meta = obj.setdefault("metadata", {})
    validation.check_size(place.key, obj)  # before anything is done for each of its many parts
    if resource.namespaced:
        if meta.setdefault("namespace", place.namespace) not in (place.namespace, ""):
            raise ApiError(400, "the namespace of the provided object does not match the namespace sent on the request")
        meta["namespace"] = place.namespace
    else:
        meta.pop("namespace", None)
    return obj, list(check.unknown) if strictness != "Ignore" else []


def _check_preconditions(place: Place, obj: Object, options: Object) -> None:
    for field, wanted in options["preconditions"].items():
        found = obj["metadata"][field]
        if wanted != found:
            about = f'{place.resource.qualified} "{place.name}"'
            raise ConflictError(f"Operation cannot be fulfilled on {about}: the {field} in the precondition ({wanted}) "
                                f"does not match the one in record ({found})")  # fmt: skip


def _raise_any(place: Place, obj: Object, causes: list[Cause]) -> None:
    if causes:
        raise unprocessable(place.resource, obj["metadata"].get("name", ""), causes)


def _dry(request: web.Request) -> bool:
    wanted = request.query.get("dryRun")
    if wanted not in (None, "", "All"):
        raise unprocessable(_OPTIONS, "", [unsupported("dryRun", wanted, ["All"])])
    return wanted == "All"


def _typed(body: Any, kind: str, mismatch: int = 400) -> Object:
    """A body that must be of one kind. Raises ApiError `mismatch`."""
    check = schema.Check()
    read = check.read(body, f"V1{kind}")
    if check.mismatched or read.get("kind", kind) != kind:
        raise ApiError(mismatch, f"expected a {kind} object: {'; '.join(check.mismatched) or read['kind']}")
    return dict(read)


async def _delete_options(request: web.Request) -> Object:
    """DeleteOptions of the body or of the query. Raises ApiError 400, 422."""
    return _options(_typed(await read_body(request, required=False), "DeleteOptions"), request.query)


def _options(body: Object, query: Mapping[str, str]) -> Object:
    grace = body.get("gracePeriodSeconds", whole_number(query, "gracePeriodSeconds"))
    policy = body.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = body.get("orphanDependents")
    if policy is None:
        policy = "Orphan" if orphan or flag(query, "orphanDependents") else "Background"
    if policy not in ("Background", "Foreground", "Orphan"):
        wrong = unsupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"])
        raise unprocessable(_OPTIONS, "", [wrong])
    return {"gracePeriodSeconds": grace, "propagationPolicy": policy, "preconditions": body.get("preconditions") or {}}
