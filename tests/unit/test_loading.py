"""Late imports and forks are never one inside the other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from shipper.loading import LOADING, Loading


def forked(loading: Loading) -> float:
    """Do what a fork does in the parent; return how long it had to wait."""
    before = time.monotonic()
    loading.before_fork()
    loading.after_fork()
    return time.monotonic() - before


def test_a_fork_waits_for_an_import_of_another_thread() -> None:
    """U07: a child is never made while another thread imports: it would inherit that module's lock, held for ever."""
    loading, is_inside, may_go = Loading(), threading.Event(), threading.Event()

    def work() -> None:
        with loading:
            is_inside.set()
            may_go.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert is_inside.wait(20)
    threading.Timer(0.1, may_go.set).start()
    assert forked(loading) > 0.05
    thread.join()
    assert forked(loading) < 5


def test_a_fork_inside_an_own_import() -> None:
    """A thread that forks while it imports itself waits for nothing, and goes on, in the child too."""
    loading = Loading()
    with loading:
        assert forked(loading) < 5
        loading.before_fork()
        loading.after_fork_in_child()
        with loading:
            pass
    with loading:
        pass


def test_a_fork_inside_the_hooks_of_another() -> None:
    """A signal handler that forks while its thread is forking leaves the lock as it was: free."""
    loading = Loading()
    loading.before_fork()
    loading.before_fork()
    loading.after_fork()
    loading.after_fork()
    free: list[bool] = []
    thread = threading.Thread(target=lambda: free.append(loading._lock.acquire(timeout=5)))
    thread.start()
    thread.join()
    assert free == [True]


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that cannot wait any longer goes on, and its child has a lock of its own."""
    monkeypatch.setattr("shipper.loading._PATIENCE_S", 0.05)
    loading, is_inside, may_go = Loading(), threading.Event(), threading.Event()

    def work() -> None:
        with loading:
            is_inside.set()
            may_go.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert is_inside.wait(20)
        inherited = loading._lock
        loading.before_fork()
        loading.after_fork_in_child()
        with loading:
            pass
    finally:
        loading._lock = inherited  # the thread is not there in a real child, and is in this one
        may_go.set()
    thread.join()


def test_forks_are_hooked() -> None:
    """The hooks are registered with `import shipper`, which stays light."""
    with LOADING:
        pass
    code = (
        "import os, shipper, threading, time\n"
        "from shipper.loading import LOADING\n"
        "def work():\n"
        "    with LOADING:\n"
        "        time.sleep(0.3)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "time.sleep(0.1)\n"
        "child = os.fork()\n"
        "assert not LOADING._lock._is_owned()\n"
        "os._exit(0) if child == 0 else None\n"
        "assert not thread.is_alive() or time.sleep(0.1) is None and not thread.is_alive()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=os.environ)
