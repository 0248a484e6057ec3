"""Follows the pages in ConfigMap edge-pages while Envoy serves, and lets it have new ones only when they are good.

The listener that Envoy reads is the memory: while the templates are broken it stays as it is, so visitors get the last
good page. It lies in an emptyDir, so it outlives the containers, not the pod: a pod that starts with broken templates
has the built-in page.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

from gameday.storefront.edge.pages import BrokenPageError, refuse
from gameday.storefront.edge.render import LISTENERS, NO_LISTENERS, SETTINGS, render_listeners, write
from gameday.storefront.edge.safeguards import RenderError

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

__all__ = ["Follower", "follow"]

EVERY_S = 1.0
"""How often the folder is looked at."""


class Follower:
    """Looks at the templates, and writes a new listener when they have changed and are good."""

    def __init__(self, template: Path, pages: Path, output: Path) -> None:
        """The same three as :func:`gameday.storefront.edge.render.render` was given, by now written to."""
        self._template, self._pages = template.with_name("listener.yaml.j2"), pages
        self._listeners = output.with_name(LISTENERS)
        self._settings: dict[str, str] = json.loads(output.with_name(SETTINGS).read_text(encoding="utf-8"))
        self._seen, self._good = "", ""

    def look(self) -> str:
        """Look once; returns what there is to say: nothing, when nothing has changed.

        A door that is closed is opened again: Envoy's container alone was told to end, by its liveness, and comes
        back. When the pod ends, whoever follows ends at once, long before the door is closed.
        """
        serving = self._listeners.read_text(encoding="utf-8")
        if serving != NO_LISTENERS:
            self._good = serving
        elif self._good:
            write(self._listeners, self._good)
            return "the door is open again"
        return self._follow()

    def _follow(self) -> str:
        seen = self._fingerprint()
        if seen == self._seen:
            return ""
        self._seen = seen
        try:
            text = render_listeners(self._template, self._pages, self._settings, refuse)
            if text == self._good:
                return ""
            write(self._listeners, text)
        except (BrokenPageError, RenderError) as problem:
            return f"the last good pages are kept: {' '.join(str(problem).split())}"
        return "the pages are new"

    def _fingerprint(self) -> str:
        """What tells one state of the templates from another; files come and go while a ConfigMap is changed."""
        found = hashlib.sha256()
        for file in sorted({*self._pages.glob("[!.]*"), *self._template.parent.glob("[!.]*")}):
            try:
                found.update(file.name.encode() + b"\0" + file.read_bytes())
            except OSError:
                continue
        return found.hexdigest()


def follow(follower: Follower, stop: Event, every_s: float = EVERY_S) -> None:
    """Look every ``every_s`` seconds until ``stop`` is set; says on stderr what became of each change."""
    while not stop.wait(every_s):
        if said := follower.look():
            print(f"edge: {said}", file=sys.stderr, flush=True)  # noqa: T201
