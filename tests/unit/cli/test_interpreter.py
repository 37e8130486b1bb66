"""What a process of ours does to its own interpreter, seen from outside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import gc, resource, sys
{before}
from shipper.cli.interpreter import settle_interpreter
settle_interpreter()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    bytearray(8 << 20)
start = faults()
for _ in range(20):
    bytearray(8 << 20)
print(sys.getswitchinterval(), gc.get_threshold()[0], faults() - start)
"""


def said(before: str = "") -> tuple[float, int, int]:
    """Return switch interval, threshold of the collector, and page faults of twenty large buffers."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(before=before)], capture_output=True, text=True, check=True
    )
    interval, threshold, faults = done.stdout.split()
    return float(interval), int(threshold), int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the switch is one of glibc")
def test_buffers_are_used_again() -> None:
    """Threads take turns sooner, the collector looks less often, and a large buffer costs no new pages each time."""
    interval, threshold, faults = said()
    assert interval < 0.005
    assert threshold > 700
    assert faults < 2048, "one buffer has 2048 pages"


def test_where_the_c_library_has_no_such_switch_nothing_fails() -> None:
    """The rest is done all the same."""
    interval, threshold, _ = said("import ctypes\nctypes.CDLL = lambda name: object()")
    assert interval < 0.005
    assert threshold > 700


def test_at_its_end_a_command_looks_for_no_garbage() -> None:
    """What was imported and made is put out of the collector's sight before the interpreter looks through all of it."""
    program = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print('at the end', gc.get_freeze_count() > 1000))\n"  # runs behind ours
        "from shipper.cli.main import main\n"
        "sys.argv = ['shipper', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "at the end True"
