"""No module of ours opens a connection, asks for a name or starts a process while it is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto",
                 "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.Request"}:
        if event == "socket.bind" and arguments[1] in {("127.0.0.1", 0), ("::1", 0), ("localhost", 0)}:
            return  # urllib3 looks whether there is IPv6 by binding a socket of its own, which sends nothing
        raise RuntimeError(f"at import: {event} {arguments}")

sys.addaudithook(refuse)
import importlib, pkgutil
import shipper
SKIPPED = {"shipper.__main__", "shipper.integrations.gunicorn"}  # the first is the command, the second needs gunicorn's
count = 0
for found in pkgutil.walk_packages(shipper.__path__, "shipper."):
    if found.name in SKIPPED or "_assets" in found.name:
        continue
    importlib.import_module(found.name)
    count += 1
print(count)
"""


@pytest.mark.slow
def test_importing_everything_touches_no_network() -> None:
    """Every module of the package, in one fresh interpreter whose audit hook refuses connections and processes."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 250


def test_the_hook_refuses() -> None:
    """A connection under the same hook is refused: the test above can fail."""
    program = PROGRAM.replace(
        "import importlib, pkgutil\n",
        "import importlib, pkgutil, socket\nsocket.create_connection(('127.0.0.1', 9))\n",
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "at import: socket." in done.stderr
