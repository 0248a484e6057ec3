"""What a kubelet says while it looks for an image. Nothing is ever downloaded here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gameday.cluster.images import InvalidNameError, Launch, NoCommandError, UnknownImageError, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.store import Object

BACKOFF_FIRST_S, BACKOFF_MAX_S = 10.0, 300.0


async def pull(spec: Object, wait: Callable[[str, str], None], event: Callable[..., None]) -> Launch:
    """How to run a container's image, once it is known; `wait(reason, message)` says why not yet."""
    delay_s, image = BACKOFF_FIRST_S, spec["image"]
    while True:
        try:
            launch = resolve(image, spec.get("command") or [], spec.get("args") or [])
        except InvalidNameError as problem:
            event("InspectFailed", f'Failed to apply default image tag "{image}": {problem}', warning=True)
            _refuse("InvalidImageName", str(problem), wait, event)
        except NoCommandError as problem:
            _refuse("CreateContainerError", str(problem), wait, event)
        except UnknownImageError as problem:
            if spec.get("imagePullPolicy") == "Never":
                why = f'Container image "{image}" is not present with pull policy of Never: {problem}'
                event("ErrImageNeverPull", why, warning=True)
                _refuse("ErrImageNeverPull", why, wait, event)
            else:
                event("Failed", f'Failed to pull image "{image}": {problem}', warning=True)
                _refuse("ErrImagePull", str(problem), wait, event)
                await asyncio.sleep(1)
                why = f'Back-off pulling image "{image}"'
                event("BackOff", why)
                _refuse("ImagePullBackOff", f"{why}: {problem}", wait, event)
        else:
            event("Pulled", f'Container image "{image}" already present on machine')
            return launch
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, BACKOFF_MAX_S)


def _refuse(reason: str, why: str, wait: Callable[[str, str], None], event: Callable[..., None]) -> None:
    event("Failed", f"Error: {reason}", warning=True)
    wait(reason, why)
