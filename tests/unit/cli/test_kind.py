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


def test_an_interrupt_that_nobody_hears_of_is_told_by_the_exit_code() -> None:
    """The line that is ended then cannot be written."""
    code = (
        "import signal\n"
        "from gameday.cli import edge, kind\n"
        "from gameday.runner.interrupts import interruptible\n"
        "def down():\n"
        "    with interruptible():\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "kind.down = down\n"
        "edge.main(['down', '--cluster', 'kind'])\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 143
