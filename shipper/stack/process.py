"""Processes of ours: told from any other by number and start time, and by a mark in their command line.

The mark (`-Dshipper.stack=<folder of the server>`) finds them again even if the state file is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from shipper.clock import Clock
from shipper.errors import StackError
from shipper.stack.placement import Account

# The kernel counts start times in ticks since boot; the boot time itself may be corrected by a second.
_START_TOLERANCE_S: Final = 2.0
_POLL_S: Final = 0.05
_KILL_GRACE_S: Final = 10.0
_JAVA_SOCKETS: Final = Path("/tmp")  # noqa: S108  fixed by Java, whatever TMPDIR says


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that a later one with the same number is not mistaken for; `started_s` since the epoch."""

    pid: int
    started_s: float


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: the program with its arguments, environment, working folder and output file."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: Path


def mark(folder: Path) -> str:
    """The command-line argument by which processes of the server in `folder` are known."""
    return f"-Dshipper.stack={folder}"


def start(command: Command, account: Account | None) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, so that it outlives us and sees no Ctrl-C.

    Raises:
        StackError: this machine does not let us start it.
    """
    user = account.uid if account else None
    group = account.gid if account else None
    extra: list[int] | None = [] if account else None
    try:
        with command.output.open("wb") as output:
            process = subprocess.Popen(
                list(command.arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=command.folder,
                env=dict(command.environment),
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=extra,
                umask=0o022,
            )
    except (OSError, subprocess.SubprocessError) as error:
        who = f" as user {account.uid}" if account else ""
        raise StackError(f"{command.arguments[0]} could not be started{who}: {error}.") from error
    # Reaps it when it ends while we live; an unreaped process would still look alive.
    threading.Thread(target=process.wait, daemon=True, name="shipper-reap").start()
    return process


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a living process, or None."""
    try:
        process = psutil.Process(pid)
        # A killed server is a zombie while its threads are still ending; until then it holds its ports.
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return None
        return ProcessIdentity(pid, process.create_time())
    except psutil.Error:
        return None


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that very process lives."""
    now = identify(identity.pid)
    return now is not None and abs(now.started_s - identity.started_s) < _START_TOLERANCE_S


def find_marked(folder: Path) -> list[ProcessIdentity]:
    """All living processes of the server in `folder`, whoever started them."""
    wanted = mark(folder)
    found = []
    for process in psutil.process_iter():
        try:
            if wanted in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(ProcessIdentity(process.pid, process.create_time()))
        except psutil.Error:  # ended meanwhile, or not ours to look at
            continue
    return found


def memory_bytes(identity: ProcessIdentity) -> int:
    """Resident memory of the process in bytes; 0 if it ended."""
    try:
        return int(psutil.Process(identity.pid).memory_info().rss)
    except psutil.Error:
        return 0


def stop(processes: Iterable[ProcessIdentity], *, clock: Clock, patience_s: float) -> bool:
    """Ask the processes to end, and kill what is left after `patience_s`; 0 kills at once.

    Returns:
        Whether all ended by themselves.

    Raises:
        StackError: a process belongs to another user, or even a kill did not end it.
    """
    left = [process for process in processes if is_alive(process)]
    if patience_s > 0:
        _signal(left, signal.SIGTERM)
        left = _wait(left, clock, patience_s)
    if not left:
        return patience_s > 0
    killed = left
    _signal(killed, signal.SIGKILL)
    left = _wait(killed, clock, _KILL_GRACE_S)
    if left:
        raise StackError(f"The processes {', '.join(str(p.pid) for p in left)} do not end.")
    for process in killed:
        forget_socket(process.pid)
    return False


def forget_socket(pid: int) -> None:
    """Remove what Java leaves in `/tmp` when it is killed, unless a living process has the number.

    Another user's Java program with that number could not be attached to.
    """
    if identify(pid) is None:  # a zombie is gone, too
        with suppress(OSError):
            (_JAVA_SOCKETS / f".java_pid{pid}").unlink()


def _signal(processes: Iterable[ProcessIdentity], number: signal.Signals) -> None:
    for process in processes:
        if not is_alive(process):
            continue
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise StackError(
                f"The process {process.pid} was started by another user; stop the stack as that user."
            ) from error


def _wait(processes: list[ProcessIdentity], clock: Clock, patience_s: float) -> list[ProcessIdentity]:
    """Wait until all have ended or `patience_s` has passed; return those that live."""
    never = threading.Event()
    deadline_s = clock.monotonic_s() + patience_s
    left = [process for process in processes if is_alive(process)]
    while left and clock.monotonic_s() < deadline_s:
        clock.wait(never, _POLL_S)
        left = [process for process in left if is_alive(process)]
    return left
