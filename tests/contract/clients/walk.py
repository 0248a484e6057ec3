"""What a program does with the `kubernetes` client, step by step; runs in an environment of each version.

Each function is a step, called by `serving.py`. A step makes what it needs in `namespace`, and asserts.
"""

from __future__ import annotations  # noqa: I001 - the long import below is kept on few lines

from itertools import islice
from typing import Any

from steps import (  # type: ignore[import-not-found]  # beside this file, in the client's environment
    PATIENCE_S, apps, client, core, dynamic, field, kubernetes, observed, refused, settings, stream, until, utils,
    watch,
)  # fmt: skip


def version() -> str:
    """The client's own version."""
    return str(kubernetes.__version__)


def asks_what_is_served() -> None:
    """Discovery by the typed entry points."""
    served = client.VersionApi().get_code()
    assert int(served.major) >= 1
    groups = {group.name: group for group in client.ApisApi().get_api_versions().groups}
    assert {"apps", "coordination.k8s.io", "discovery.k8s.io", "networking.k8s.io", "policy"} <= set(groups)
    assert groups["apps"].preferred_version.group_version == "apps/v1"
    pods = {one.name: one for one in core.get_api_resources().resources}
    assert pods["pods"].short_names == ["po"]
    assert pods["pods"].namespaced
    assert "watch" in pods["pods"].verbs
    assert "pods/log" in pods
    assert {"deployments", "deployments/scale", "replicasets"} <= {o.name for o in apps.get_api_resources().resources}


def creates_reads_and_replaces(namespace: str) -> None:
    """Typed objects both ways, and two writers of one object."""
    made = core.create_namespaced_config_map(namespace, settings("one", colour="red"))
    assert (made.metadata.namespace, made.data) == (namespace, {"colour": "red"})
    assert made.metadata.uid
    assert made.metadata.creation_timestamp.tzinfo is not None
    read = core.read_namespaced_config_map("one", namespace)
    read.data["colour"] = "blue"
    replaced = core.replace_namespaced_config_map("one", namespace, read)
    assert replaced.metadata.resource_version != made.metadata.resource_version
    late = refused(core.replace_namespaced_config_map, "one", namespace, read)
    assert (late.status, late.reason) == (409, "Conflict")
    again = refused(core.create_namespaced_config_map, namespace, settings("one"))
    assert again.status == 409
    assert "AlreadyExists" in str(again.body)
    assert refused(core.read_namespaced_config_map, "none", namespace).status == 404
    assert refused(core.create_namespaced_config_map, namespace, settings("No Name")).status == 422
    dry = core.create_namespaced_config_map(namespace, settings("dry"), dry_run="All")
    assert dry.metadata.name == "dry"
    assert refused(core.read_namespaced_config_map, "dry", namespace).status == 404


def lists_by_selectors_and_pages(namespace: str) -> None:
    """Label and field selectors; a loop over pages sees each object once."""
    for name, tier in (("a", "web"), ("b", "web"), ("c", "db")):
        core.create_namespaced_config_map(namespace, settings(name, labels={"tier": tier}))

    def names(**chosen: Any) -> list[str]:
        found = core.list_namespaced_config_map(namespace, **chosen).items
        return sorted(o.metadata.name for o in found if o.metadata.labels)

    assert names(label_selector="tier=web") == ["a", "b"]
    assert names(label_selector="tier in (db),tier") == ["c"]
    assert names(label_selector="tier notin (db)") == ["a", "b"]
    assert names(field_selector="metadata.name=b") == ["b"]
    assert names(field_selector="metadata.name!=b") == ["a", "c"]
    everywhere = core.list_config_map_for_all_namespaces(label_selector="tier=db").items
    assert (namespace, "c") in [(o.metadata.namespace, o.metadata.name) for o in everywhere]
    seen: list[str] = []
    page: Any = core.list_namespaced_config_map(namespace, limit=2)
    while True:
        seen += [o.metadata.name for o in page.items if o.metadata.labels]
        if not page.metadata._continue:
            break
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
    assert sorted(seen) == ["a", "b", "c"]
    wrong = refused(core.list_namespaced_config_map, namespace, label_selector="tier in web")
    assert wrong.status == 400


def patches_with_a_dict_or_a_list(namespace: str, deployment: dict[str, Any]) -> None:
    """A dict is a strategic merge: containers are merged by name. A list is a JSON patch."""
    apps.create_namespaced_deployment(namespace, deployment)
    name = deployment["metadata"]["name"]
    env = {"containers": [{"name": "main", "env": [{"name": "ADDED", "value": "1"}]}]}
    patched = apps.patch_namespaced_deployment(
        name, namespace, {"spec": {"template": {"spec": env}}, "metadata": {"labels": {"a/b": "c"}}}
    )
    first, *more = patched.spec.template.spec.containers
    assert not more
    assert first.image == deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert {e.name for e in first.env} == {"POD_IP", "ADDED"}
    assert patched.metadata.generation == 2
    operations = [
        {"op": "test", "path": "/metadata/labels/a~1b", "value": "c"},
        {"op": "remove", "path": "/metadata/labels/a~1b"},
    ]
    assert not apps.patch_namespaced_deployment(name, namespace, operations).metadata.labels
    assert refused(apps.patch_namespaced_deployment, name, namespace, operations).status == 422
    gone = {"spec": {"template": {"spec": {"containers": [{"$patch": "delete", "name": "main"}]}}}}
    assert refused(apps.patch_namespaced_deployment, name, namespace, gone).status == 422


def tries_a_template_and_drops_its_set(namespace: str, deployment: dict[str, Any]) -> None:
    """A JSON patch is tried without effect, made, and taken back; the ReplicaSet that keeps its template is deleted."""
    apps.create_namespaced_deployment(namespace, deployment)
    name = deployment["metadata"]["name"]
    path = "/spec/template/metadata/labels/tried"
    change = [{"op": "add", "path": path, "value": "yes"}]
    tried = apps.patch_namespaced_deployment(name, namespace, change, dry_run="All")
    assert tried.spec.template.metadata.labels["tried"] == "yes"
    assert "tried" not in apps.read_namespaced_deployment(name, namespace).spec.template.metadata.labels
    apps.patch_namespaced_deployment(name, namespace, change)

    def sets() -> list[Any]:
        return list(apps.list_namespaced_replica_set(namespace, label_selector="tried,!other").items)

    until("its set is there", sets)
    back = [{"op": "test", "path": path, "value": "yes"}, {"op": "remove", "path": path}]
    apps.patch_namespaced_deployment(name, namespace, back)
    until("the controller has seen it", lambda: observed(name, namespace))
    (left,) = sets()
    assert left.spec.replicas == 0
    stale = client.V1Preconditions(uid=left.metadata.uid, resource_version="1")
    late = client.V1DeleteOptions(preconditions=stale)
    assert refused(apps.delete_namespaced_replica_set, left.metadata.name, namespace, body=late).status == 409
    this = client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid=left.metadata.uid), propagation_policy="Background"
    )
    assert field(apps.delete_namespaced_replica_set(left.metadata.name, namespace, body=this), "status") == "Success"
    assert sets() == []


def scales_and_writes_the_status(namespace: str, deployment: dict[str, Any]) -> None:
    """The scale and status subresources."""
    name = deployment["metadata"]["name"]
    apps.create_namespaced_deployment(namespace, deployment)
    scale = apps.read_namespaced_deployment_scale(name, namespace)
    assert scale.spec.replicas is None  # zero is left out
    assert scale.status.selector == f"app={name}"
    scale.spec.replicas = 2
    scale.metadata.resource_version = None  # whatever the controller has written meanwhile
    assert apps.replace_namespaced_deployment_scale(name, namespace, scale).spec.replicas == 2
    down = apps.patch_namespaced_deployment_scale(name, namespace, {"spec": {"replicas": 0}})
    assert down.spec.replicas is None
    until("the controller has seen it", lambda: observed(name, namespace))
    condition = {"type": "Checked", "status": "True", "reason": "ByHand", "message": "seen"}
    wrong = {"replicas": 7}
    body = {"status": {"conditions": [condition]}, "spec": wrong}
    written = apps.patch_namespaced_deployment_status(name, namespace, body)
    assert "Checked" in [c.type for c in written.status.conditions]
    assert written.spec.replicas == 0
    assert apps.read_namespaced_deployment_status(name, namespace).spec.replicas == 0


def deletes_with_options(namespace: str, pod: dict[str, Any]) -> None:
    """V1DeleteOptions in the body: preconditions, grace; and what DELETE returns."""
    made = core.create_namespaced_config_map(namespace, settings("one"))
    other = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="0-0-0-0"))
    assert refused(core.delete_namespaced_config_map, "one", namespace, body=other).status == 409
    this = client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid=made.metadata.uid), propagation_policy="Background"
    )
    done = core.delete_namespaced_config_map("one", namespace, body=this)
    assert field(done, "status") == "Success"
    core.create_namespaced_config_map(namespace, settings("two"))
    assert field(core.delete_namespaced_config_map("two", namespace), "status") == "Success"
    started = core.create_namespaced_pod(namespace, pod)
    name = started.metadata.name
    ended = core.delete_namespaced_pod(name, namespace, body=client.V1DeleteOptions(grace_period_seconds=0))
    assert ended.metadata.uid == started.metadata.uid
    until("the pod is gone", lambda: not core.list_namespaced_pod(namespace).items)
    assert refused(core.delete_namespaced_pod, name, namespace).status == 404


def deletes_a_collection(namespace: str) -> None:
    """What a selector chooses goes at once, the rest stays."""
    for name, tier in (("a", "web"), ("b", "web"), ("c", "db")):
        core.create_namespaced_config_map(namespace, settings(name, labels={"tier": tier}))
    core.delete_collection_namespaced_config_map(
        namespace, label_selector="tier=web", body=client.V1DeleteOptions(propagation_policy="Background")
    )
    left = core.list_namespaced_config_map(namespace, label_selector="tier").items
    assert [o.metadata.name for o in left] == ["c"]


def watches_and_resumes(namespace: str) -> None:
    """A watch shows what is there, then what happens; a second one goes on where the first stopped."""
    core.create_namespaced_config_map(namespace, settings("one", labels={"w": "1"}))
    watching = watch.Watch()
    seen: list[tuple[str, str]] = []
    chosen: dict[str, Any] = {"label_selector": "w", "timeout_seconds": PATIENCE_S}
    for event in watching.stream(core.list_namespaced_config_map, namespace, **chosen):
        seen.append((event["type"], event["object"].metadata.name))
        if seen == [("ADDED", "one")]:
            core.patch_namespaced_config_map("one", namespace, {"data": {"changed": "yes"}})
        elif event["type"] == "MODIFIED":
            watching.stop()
    assert seen == [("ADDED", "one"), ("MODIFIED", "one")]
    reached = watching.resource_version
    core.create_namespaced_config_map(namespace, settings("two", labels={"w": "1"}))
    core.delete_namespaced_config_map("one", namespace)
    later = watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=reached, **chosen)
    assert [(e["type"], e["object"].metadata.name) for e in islice(later, 2)] == [("ADDED", "two"), ("DELETED", "one")]


def sees_a_deployment_become_available(namespace: str, deployment: dict[str, Any]) -> None:
    """A rollout, as its conditions and its pods show it."""
    apps.create_namespaced_deployment(namespace, deployment)
    name = deployment["metadata"]["name"]
    watching = watch.Watch()
    for event in watching.stream(
        apps.list_namespaced_deployment, namespace, field_selector=f"metadata.name={name}", timeout_seconds=PATIENCE_S
    ):
        if event["object"].status.available_replicas == deployment["spec"]["replicas"]:
            watching.stop()
    found = apps.read_namespaced_deployment(name, namespace)
    assert {c.type: c.status for c in found.status.conditions} == {"Available": "True", "Progressing": "True"}
    pods = core.list_namespaced_pod(namespace, label_selector=f"app={name}").items
    assert len(pods) == deployment["spec"]["replicas"]
    for pod in pods:
        assert pod.status.phase == "Running"
        assert pod.status.container_statuses[0].state.running.started_at
        assert pod.metadata.owner_references[0].kind == "ReplicaSet"
        assert core.read_node(pod.spec.node_name).status.node_info.kubelet_version
    sets = apps.list_namespaced_replica_set(namespace).items
    assert [s.status.ready_replicas for s in sets] == [len(pods)]
    about = f"involvedObject.name={name},reason=ScalingReplicaSet"
    until("it is told", lambda: core.list_namespaced_event(namespace, field_selector=about).items)
    apps.delete_namespaced_deployment(name, namespace)
    until("its ReplicaSets are gone", lambda: not apps.list_namespaced_replica_set(namespace).items)
    until("its pods end", lambda: all(p.metadata.deletion_timestamp for p in core.list_namespaced_pod(namespace).items))


def takes_a_pod_out_of_its_service(namespace: str, pod: dict[str, Any], service: dict[str, Any]) -> None:
    """What experiments do: a label, or the Service's selector, decides who gets requests."""
    core.create_namespaced_service(namespace, service)
    core.create_namespaced_pod(namespace, pod)
    name = pod["metadata"]["name"]

    def served() -> list[str]:
        subsets = core.read_namespaced_endpoints(name, namespace).subsets or []
        return [address.target_ref.name for subset in subsets for address in subset.addresses or []]

    def listed() -> bool:
        return name in [found.metadata.name for found in core.list_namespaced_endpoints(namespace).items]

    until("it has endpoints", listed)
    until("it is served", lambda: served() == [name])
    core.patch_namespaced_pod(name, namespace, {"metadata": {"labels": {"app": "away"}}})
    until("it is not", lambda: served() == [])
    core.patch_namespaced_service(name, namespace, {"spec": {"selector": {"app": "away"}}})
    until("it is again", lambda: served() == [name])
    selector, nobody = {"app": "away"}, {"app": "nobody"}
    change = [
        {"op": "test", "path": "/spec/selector", "value": selector},
        {"op": "replace", "path": "/spec/selector", "value": nobody},
    ]
    assert core.patch_namespaced_service(name, namespace, change, dry_run="All").spec.selector == nobody
    assert core.read_namespaced_service(name, namespace).spec.selector == selector
    assert core.patch_namespaced_service(name, namespace, change).spec.selector == nobody
    until("it is nobody's", lambda: served() == [])
    assert refused(core.patch_namespaced_service, name, namespace, change).status == 422


def reads_logs_and_follows_them(namespace: str, pod: dict[str, Any]) -> None:
    """The pod prints `one`, `two`, `three` and goes on."""
    core.create_namespaced_pod(namespace, pod)
    name = pod["metadata"]["name"]
    until("it runs", lambda: core.read_namespaced_pod(name, namespace).status.phase == "Running")
    lines: list[str] = []
    following = watch.Watch()
    for line in following.stream(core.read_namespaced_pod_log, name, namespace, _request_timeout=PATIENCE_S):
        lines.append(line)
        if line == "three":
            following.stop()
    assert lines == ["one", "two", "three"]
    assert _log(name, namespace) == b"one\ntwo\nthree\n"
    assert _log(name, namespace, tail_lines=1, container="main") == b"three\n"
    assert len(_log(name, namespace, timestamps=True, limit_bytes=20)) == 20
    assert refused(core.read_namespaced_pod_log, name, namespace, container="other").status == 400


def _log(name: str, namespace: str, **more: Any) -> bytes:
    # Version 36 returns the text of a bytes object when it reads the answer itself.
    return bytes(core.read_namespaced_pod_log(name, namespace, _preload_content=False, **more).data)


def runs_commands_in_a_pod(namespace: str, pod: dict[str, Any]) -> None:
    """Exec over a WebSocket: output, both streams apart, input, and the exit code."""
    core.create_namespaced_pod(namespace, pod)
    name = pod["metadata"]["name"]
    until("it runs", lambda: core.read_namespaced_pod(name, namespace).status.phase == "Running")
    said = stream.stream(
        core.connect_get_namespaced_pod_exec, name, namespace, command=["sh", "-c", "echo out; echo err >&2"],
        stdout=True, stderr=True, stdin=False, tty=False,
    )  # fmt: skip
    assert sorted(said.split()) == ["err", "out"]
    talking = stream.stream(
        core.connect_get_namespaced_pod_exec, name, namespace, container="main", _preload_content=False,
        command=["sh", "-c", "read line; echo got $line; echo bad >&2; exit 3"],
        stdout=True, stderr=True, stdin=True, tty=False,
    )  # fmt: skip
    talking.write_stdin("words\n")
    talking.run_forever(timeout=PATIENCE_S)
    assert talking.read_stdout() == "got words\n"
    assert talking.read_stderr() == "bad\n"
    assert talking.returncode == 3
    talking.close()


def renews_a_lease(namespace: str) -> None:
    """Two holders of one Lease: who writes second on an old reading is refused."""
    leases = client.CoordinationV1Api()
    spec = client.V1LeaseSpec(holder_identity="first", lease_duration_seconds=15)
    made = leases.create_namespaced_lease(
        namespace, client.V1Lease(metadata=client.V1ObjectMeta(name="leader"), spec=spec)
    )
    made.spec.renew_time = "2026-01-01T00:00:00.123456Z"
    renewed = leases.replace_namespaced_lease("leader", namespace, made)
    assert renewed.spec.renew_time.microsecond == 123456
    made.spec.holder_identity = "second"
    assert refused(leases.replace_namespaced_lease, "leader", namespace, made).status == 409
    assert leases.read_namespaced_lease("leader", namespace).spec.holder_identity == "first"
    version = {"resourceVersion": renewed.metadata.resource_version}
    passed = {"metadata": version, "spec": {"holderIdentity": "second"}}
    assert leases.patch_namespaced_lease("leader", namespace, passed).spec.holder_identity == "second"
    assert refused(leases.patch_namespaced_lease, "leader", namespace, passed).status == 409


def writes_and_lists_events(namespace: str) -> None:
    """An event in core/v1 is the same in events.k8s.io/v1."""
    about = client.V1ObjectReference(kind="ConfigMap", name="one", namespace=namespace, api_version="v1")
    event = client.CoreV1Event(
        metadata=client.V1ObjectMeta(generate_name="said-"), involved_object=about, reason="Checked", type="Normal",
        message="by hand", source=client.V1EventSource(component="walk"), first_timestamp="2026-01-01T00:00:00Z",
        last_timestamp="2026-01-01T00:00:00Z", count=1,
    )  # fmt: skip
    made = core.create_namespaced_event(namespace, event)
    assert made.metadata.name.startswith("said-")
    assert len(made.metadata.name) == len("said-") + 5
    found = core.list_namespaced_event(namespace, field_selector="involvedObject.kind=ConfigMap,reason=Checked").items
    assert [e.message for e in found] == ["by hand"]
    raw = client.EventsV1Api().list_namespaced_event(namespace, _preload_content=False)
    assert b'"note":"by hand"' in raw.data.replace(b'": "', b'":"')


def speaks_dynamically(namespace: str, cache: str) -> None:
    """The dynamic client: discovery, then every verb with plain dicts."""
    found = dynamic.DynamicClient(client.ApiClient(), cache_file=cache)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create(
        body={"metadata": {"name": "one", "labels": {"d": "1"}}, "data": {"a": "1"}}, namespace=namespace
    )
    assert made.kind == "ConfigMap"
    assert maps.get(name="one", namespace=namespace).data.a == "1"
    assert [o.metadata.name for o in maps.get(namespace=namespace, label_selector="d").items] == ["one"]
    patched = maps.patch(
        name="one", namespace=namespace, body={"data": {"b": "2"}}, content_type="application/merge-patch+json"
    )
    assert patched.data.to_dict() == {"a": "1", "b": "2"}
    patched.data.a = "3"
    assert maps.replace(body=patched.to_dict(), namespace=namespace).data.a == "3"
    told = []
    # It may begin with an older state.
    for event in maps.watch(namespace=namespace, label_selector="d", timeout=PATIENCE_S):
        told.append((event["type"], event["object"].metadata.name))
        if event["object"].data.a == "3":
            break
    else:
        raise AssertionError(told)
    assert set(told[1:]) <= {("MODIFIED", "one")}
    assert told[0] == ("ADDED", "one")
    maps.delete(name="one", namespace=namespace)
    deployments = found.resources.get(kind="Deployment", group="apps")
    assert (deployments.name, deployments.preferred, deployments.namespaced) == ("deployments", True, True)
    assert "scale" in deployments.subresources
    assert "Service" in {one.kind for one in found.resources.search(api_version="v1")}


def creates_from_a_file(namespace: str, file: str) -> None:
    """A YAML file with a Service, a ConfigMap and a Deployment, in one go; a second time all conflict."""
    made = utils.create_from_yaml(client.ApiClient(), file, namespace=namespace)
    assert len(made) == 3
    assert core.read_namespaced_service("web", namespace).spec.cluster_ip.count(".") == 3
    assert core.read_namespaced_config_map("web", namespace).data == {"key": "value"}
    assert apps.read_namespaced_deployment("web", namespace).spec.replicas == 0
    refusals: list[Any] = []
    try:
        utils.create_from_yaml(client.ApiClient(), file, namespace=namespace)
    except utils.FailToCreateError as problem:
        refusals = problem.api_exceptions
    assert [refusal.status for refusal in refusals] == [409, 409, 409]


def reaches_objects_as_custom_ones(namespace: str, deployment: dict[str, Any]) -> None:
    """CustomObjectsApi on a group that is there, and on one that is not."""
    custom = client.CustomObjectsApi()
    place = ("apps", "v1", namespace, "deployments")
    custom.create_namespaced_custom_object(*place, {"apiVersion": "apps/v1", "kind": "Deployment", **deployment})
    name = deployment["metadata"]["name"]
    patched = custom.patch_namespaced_custom_object(*place, name, {"metadata": {"labels": {"a": "b"}}})
    assert patched["metadata"]["labels"] == {"a": "b"}
    assert [o["metadata"]["name"] for o in custom.list_namespaced_custom_object(*place)["items"]] == [name]
    custom.delete_namespaced_custom_object(*place, name)
    missing = refused(custom.list_namespaced_custom_object, "chaos-mesh.org", "v1alpha1", namespace, "networkchaos")
    assert missing.status == 404


def makes_and_ends_a_namespace(name: str) -> None:
    """A namespace comes with its ServiceAccount; once it is deleted nothing new gets in."""
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels={"made": "here"})))
    until("its account", lambda: core.list_namespaced_service_account(name).items)
    account = {"metadata": {"name": "robot"}, "automountServiceAccountToken": False}
    assert core.create_namespaced_service_account(name, account).automount_service_account_token is False
    core.create_namespaced_secret(name, client.V1Secret(metadata={"name": "word"}, string_data={"word": "open"}))
    assert core.read_namespaced_secret("word", name).data == {"word": "b3Blbg=="}
    assert core.read_namespace(name).status.phase == "Active"
    core.delete_namespace(name, body=client.V1DeleteOptions())
    ending = core.list_namespace(field_selector=f"metadata.name={name}").items
    assert [n.status.phase for n in ending] in ([], ["Terminating"])
    assert refused(core.create_namespaced_config_map, name, settings("late")).status in (403, 404)


def is_refused_an_eviction(namespace: str, name: str) -> None:
    """While a budget allows no disruption: 429."""
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace))
    refusal = refused(core.create_namespaced_pod_eviction, name, namespace, eviction)
    assert refusal.status == 429
    assert "disruption budget" in str(refusal.body)


def evicts_the_very_pod(namespace: str, name: str) -> None:
    """A plain body, of no version, with the pod's UID; the answer, a Status, is left unread."""
    wrong = {"metadata": {"name": name}, "deleteOptions": {"preconditions": {"uid": "0-0-0-0"}}}
    assert refused(core.create_namespaced_pod_eviction, name, namespace, wrong, _preload_content=False).status == 409
    uid = core.read_namespaced_pod(name, namespace).metadata.uid
    right = {"metadata": {"name": name}, "deleteOptions": {"preconditions": {"uid": uid}, "gracePeriodSeconds": 1}}
    core.create_namespaced_pod_eviction(name, namespace, right, _preload_content=False)
    assert all(pod.metadata.deletion_timestamp for pod in core.list_namespaced_pod(namespace).items)


def evicts(namespace: str, name: str) -> None:
    """A pod that no budget keeps goes."""
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace))
    core.create_namespaced_pod_eviction(name, namespace, eviction)
    assert all(pod.metadata.deletion_timestamp for pod in core.list_namespaced_pod(namespace).items)


def is_turned_away_without_a_token() -> None:
    """The wrong token is no token; a client certificate, which some kubeconfigs have, is not shown."""
    wrong = client.Configuration.get_default_copy()
    wrong.cert_file = wrong.key_file = None
    wrong.refresh_api_key_hook = None  # it would read the kubeconfig's token again
    wrong.api_key = {"authorization": "Bearer wrong", "BearerToken": "Bearer wrong"}
    nobody = client.CoreV1Api(client.ApiClient(wrong))
    assert refused(nobody.list_namespace).status == 401
