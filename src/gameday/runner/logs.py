"""The storefront's own words, saved where the report can point at them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gameday.activities.books import fetch
from gameday.kube import ApiException
from gameday.reach import service_url

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.kube import Kube

__all__ = ["save_all", "save_mails", "save_restarted"]

_PAGE = 500


def save_all(kube: Kube, namespace: str, folder: Path) -> None:
    """The logs of every container in the namespace, and of its last life where it restarted."""
    _save(kube, namespace, folder, only_restarted=False)


def save_restarted(kube: Kube, namespace: str, folder: Path) -> None:
    """The logs of containers that restarted: even a run that passed should show why."""
    _save(kube, namespace, folder, only_restarted=True)


def save_mails(kube: Kube, namespace: str, file: Path) -> None:
    """When each mail arrived at the storefront's mailbox, one JSON object a line; for the report's timeline.

    Raises BooksError or LookupError when the mailbox cannot be read.
    """
    base = service_url(kube, namespace, "postbox")
    start, lines = 0, []
    while True:
        _, body = fetch(f"{base}/api/v1/messages?start={start}&limit={_PAGE}")
        messages = json.loads(body).get("messages") or []
        for one in messages:
            at = datetime.fromisoformat(str(one["Created"])).timestamp()
            lines.append({"at": at, "subject": one.get("Subject"), "to": [to["Address"] for to in one.get("To") or []]})
        start += len(messages)
        if len(messages) < _PAGE:
            break
    lines.sort(key=lambda line: line["at"])
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _save(kube: Kube, namespace: str, folder: Path, *, only_restarted: bool) -> None:
    answer = kube.core.list_namespaced_pod(namespace, _request_timeout=5, _preload_content=False)
    for pod in json.loads(answer.data).get("items") or []:
        for status in pod.get("status", {}).get("containerStatuses") or []:
            lives = [True] if status.get("restartCount") else []
            if not only_restarted or lives:
                lives.append(False)
            for previous in lives:
                _save_one(kube, pod["metadata"], str(status["name"]), folder, previous=previous)


def _save_one(kube: Kube, pod: dict[str, Any], container: str, folder: Path, *, previous: bool) -> None:
    try:
        answer = kube.core.read_namespaced_pod_log(
            pod["name"], pod["namespace"], container=container, previous=previous,
            _request_timeout=5, _preload_content=False,
        )  # fmt: skip
    except ApiException:
        return
    folder.mkdir(exist_ok=True)
    name = f"{pod['name']}.{container}{'.previous' if previous else ''}.log"
    (folder / name).write_bytes(answer.data)
