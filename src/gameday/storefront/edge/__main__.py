"""``python3 -m gameday.storefront.edge render``: what edge's init container runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gameday.storefront.edge.render import render
from gameday.storefront.edge.safeguards import RenderError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code, 1 when the configuration cannot be rendered."""
    parser = argparse.ArgumentParser(prog="python3 -m gameday.storefront.edge", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("render", help="write Envoy's configuration")
    command.add_argument("--template", type=Path, required=True, help="envoy.yaml.j2, negotiate.lua beside it")
    command.add_argument("--pages", type=Path, required=True, help="folder of the page templates")
    command.add_argument("--output", type=Path, required=True, help="the file to write")
    options = parser.parse_args(arguments)
    try:
        render(options.template, options.pages, options.output)
    except RenderError as error:
        print(f"edge: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
