"""What the commands of kind say while they work."""

from __future__ import annotations

import os
import subprocess
import sys


def test_that_nobody_listens_any_more_keeps_nothing_from_being_done() -> None:
    """`2>&1 | tee` has gone by the Ctrl-C that ends us, too."""
    code = "from gameday.cli import kind; kind._said('deleting 3 nodes'); print('deleted')"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writing, text=True, check=False)
    os.close(writing)
    assert done.stdout == "deleted\n"
