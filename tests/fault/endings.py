"""Programs that fork and end in all the ways that programs do; each says what it has logged, once the call returned.

endings.py NAME; what was logged goes, one number a line, to the file that TOLD names. Run by `test_endings.py`.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import itertools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import shipper
from shipper.emit import ShipperHandler

PROGRAMS: Final[dict[str, Callable[[], object]]] = {}
LOG: Final = shipper.get_logger("structlog")
LOGGER: Final = logging.getLogger("stdlib")
_TOLD: Final = os.open(os.environ["TOLD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_NUMBERS: Final = itertools.count()


def program(function: Callable[[], object]) -> Callable[[], object]:
    """Register one."""
    PROGRAMS[function.__name__] = function
    return function


def say(count: int = 1) -> None:
    """Log records by both roads, telling each as soon as its call has returned."""
    for _ in range(count):
        number = next(_NUMBERS)
        key = os.getpid() * 1_000_000 + number
        if number % 2:
            LOG.info("record", key=key)
        else:
            LOGGER.info("record", extra={"key": key})
        os.write(_TOLD, b"%d\n" % key)


def is_importing(frame: FrameType | None) -> bool:
    """Tell whether Python was importing something there."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def chatter(stop: threading.Event) -> None:
    """Log until told to stop."""
    while not stop.is_set():
        say()


@program
def short() -> None:
    """Log one line and be gone: a script of 20 ms."""
    say()


@program
def os_exit() -> None:
    """End without any clean-up."""
    say(50)
    os._exit(0)


@program
def sys_exit_in_a_thread() -> None:
    """A thread that calls sys.exit ends itself only."""

    def work() -> None:
        say(10)
        sys.exit(3)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    say(10)


@program
def threads_that_outlive_main() -> None:
    """Threads that are no daemons go on when the main thread has ended."""

    def work() -> None:
        for _ in range(20):
            time.sleep(0.005)
            say()

    for _ in range(4):
        threading.Thread(target=work).start()
    say(5)


@program
def at_exit_and_destructors() -> None:
    """Handlers of atexit, before and after ours, and destructors at the end of the interpreter log as well."""

    class Last:
        def __init__(self) -> None:
            self.say = say

        def __del__(self) -> None:
            self.say(3)

    atexit.register(say, 3)
    sys.modules["kept"] = Last()  # type: ignore[assignment]
    say(3)


@program
def sigterm() -> None:
    """SIGTERM without a handler."""
    say(50)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)


@program
def sigterm_handled() -> None:
    """SIGTERM with the handler that most services have, while threads log."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stop = threading.Event()
    for _ in range(3):
        threading.Thread(target=chatter, args=(stop,)).start()
    try:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    finally:
        stop.set()
        say(3)


@program
def interrupted() -> None:
    """Ctrl-C in the middle of logging."""
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            time.sleep(0.001)
            say()
    except KeyboardInterrupt:
        say(3)


@program
def aborted() -> None:
    """A crash in native code."""
    say(50)
    os.abort()


@program
def coroutines() -> None:
    """asyncio: tasks, a thread of the loop, a task that is cancelled while it logs."""

    async def work() -> None:
        for _ in range(10):
            say()
            await asyncio.sleep(0)

    async def main() -> None:
        endless = asyncio.ensure_future(asyncio.wait_for(asyncio.to_thread(say, 20), 10))
        await asyncio.gather(*(work() for _ in range(10)))
        await endless
        asyncio.ensure_future(asyncio.sleep(60)).cancel()

    asyncio.run(main())
    say(3)


@program
def forked_beside_threads() -> None:
    """Forks at any moment while four threads log; children log and end in four ways."""
    stop = threading.Event()
    threads = [threading.Thread(target=chatter, args=(stop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for turn in range(24):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            say(3)
            if turn % 4 == 0:
                os._exit(0)
            if turn % 4 == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if turn % 4 == 2:
                shipper.close(1.0)
                say(2)
                os._exit(0)
            grandchild = os.fork()
            say(3)
            if grandchild:
                os.waitpid(grandchild, 0)
            os._exit(0)
        children.append(child)
        time.sleep(0.003)
    stop.set()
    for thread in threads:
        thread.join()
    for turn, child in enumerate(children):
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if turn % 4 == 1 else 0), "a child hung"
    say(3)


@program
def forked_in_a_signal_handler() -> None:
    """Forks inside of logging calls: the child goes on in the call that was interrupted.

    Not while Python imports: parent and child share the file that it reads, and one of them gets an empty module.
    """
    children: list[int] = []
    is_forking: list[int] = []
    parent = os.getpid()

    def fork(_signal: int, frame: FrameType | None) -> None:
        if os.getpid() == parent and len(children) < 12 and not (is_forking or is_importing(frame)):
            is_forking.append(1)  # on a slow machine the next alarm comes while this one still forks
            child = os.fork()
            is_forking.clear()
            if child == 0:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(60)
            children.append(child)

    signal.signal(signal.SIGALRM, fork)
    signal.setitimer(signal.ITIMER_REAL, 0.0101, 0.0101)
    while len(children) < 12 and os.getpid() == parent:
        LOG.info("uncounted")
    if os.getpid() != parent:
        say(3)
        os._exit(0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0, "a child hung"
    say(3)


@program
def daemonised() -> None:
    """The double fork of daemons, with descriptors closed as they close them."""
    say(3)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say(3)
            os.closerange(3, _TOLD)
            os.closerange(_TOLD + 1, 200)
            say(0)
        os._exit(0)
    os.wait()
    time.sleep(0.3)
    say(3)


@program
def replaced() -> None:
    """A process that logs and is then another program, under the same process id."""
    say(3)
    os.execv(sys.executable, [sys.executable, __file__, "short"])  # noqa: S606


@program
def with_subprocess() -> None:
    """Programs started by `subprocess`, and a `preexec_fn` that logs in the child."""
    say(3)
    subprocess.run([sys.executable, __file__, "short"], check=True)
    subprocess.run(["true"], preexec_fn=say, check=True)
    say(3)


def _job(_number: int) -> int:
    LOGGER.setLevel(logging.INFO)
    say(5)
    return 1


def _processes(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    say(3)
    with context.Pool(3) as pool:  # its end is terminate(): SIGTERM for the workers
        assert sum(pool.map(_job, range(6), chunksize=1)) == 6
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        assert sum(executor.map(_job, range(4))) == 4
    process = context.Process(target=_job, args=(0,))
    process.start()
    process.join()
    say(3)


@program
def pools_by_fork() -> None:
    """`multiprocessing` with fork: a pool, an executor, a process."""
    _processes("fork")


@program
def pools_by_spawn() -> None:
    """The same with spawn."""
    _processes("spawn")


@program
def pools_by_forkserver() -> None:
    """The same with a fork server."""
    _processes("forkserver")


def main() -> None:
    """Run the program that is named."""
    PROGRAMS[sys.argv[1]]()


LOGGER.addHandler(ShipperHandler())
LOGGER.setLevel(logging.INFO)
if __name__ == "__main__":
    main()
