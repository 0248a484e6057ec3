"""``python3 -m gameday.storefront.edge render``, edge's init container, and ``... follow``, its companion."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from threading import Event

from gameday.storefront.edge.following import Follower, follow
from gameday.storefront.edge.render import render
from gameday.storefront.edge.safeguards import RenderError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code, 1 when the configuration cannot be rendered or found."""
    parser = argparse.ArgumentParser(prog="python3 -m gameday.storefront.edge", description=__doc__)
    parser.add_argument("command", choices=("render", "follow"), help="write Envoy's configuration, or keep it new")
    parser.add_argument("--template", type=Path, required=True, help="envoy.yaml.j2, with its companions beside it")
    parser.add_argument("--pages", type=Path, required=True, help="folder of the page templates")
    parser.add_argument("--output", type=Path, required=True, help="the file to write, or that was written")
    options = parser.parse_args(arguments)
    try:
        if options.command == "render":
            render(options.template, options.pages, options.output)
        else:
            follow(Follower(options.template, options.pages, options.output), _until_told())
    except (RenderError, OSError, ValueError) as error:
        print(f"edge: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _until_told() -> Event:
    """An event that SIGTERM and SIGINT set."""
    told = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told


if __name__ == "__main__":
    sys.exit(main())
