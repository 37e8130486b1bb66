"""Brings the servers' software onto this machine, one command at a time, after looking for disk space."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from shipper.clock import Clock
from shipper.config import StackSettings
from shipper.stack.artifacts import Lock, total_bytes
from shipper.stack.cache import ArtifactCache
from shipper.stack.checks import check_disk
from shipper.stack.locking import folder_lock
from shipper.stack.placement import Placement, make_folder
from shipper.stack.progress import Progress
from shipper.stack.software import install, missing_pieces

_PATIENCE_S: Final = 1800.0
"""How long to wait for another command that fills the same cache."""
_UNPACKED_BYTES: Final = 320 << 20
"""Unpacked servers and, where it must be copied, the Java image."""


def provide_software(
    lock: Lock, settings: StackSettings, placement: Placement, progress: Progress, clock: Clock
) -> None:
    """Make everything in `placement.software` ready to run; does nothing if it is.

    Raises:
        ResourceShortage: the disk has no room for it.
        DownloadFailed: an archive did not arrive whole.
        ChecksumMismatch: an archive is not the pinned one.
        StackError: a folder cannot be used.
    """
    if not missing_pieces(lock, placement):
        return  # also where the cache cannot be written
    cache = ArtifactCache(settings.cache, settings.maven_repository)
    with ExitStack() as held:
        # The software may lie elsewhere than the archives, and be shared by several caches (see placement).
        for folder in (settings.cache, placement.software):
            make_folder(folder, placement)
            held.enter_context(folder_lock(folder, clock=clock, patience_s=_PATIENCE_S))
        missing = cache.missing(lock.artifacts)
        check_disk(settings.cache, total_bytes(missing), "SHIPPER_STACK_CACHE")
        check_disk(placement.software, total_bytes(missing) + _UNPACKED_BYTES, "SHIPPER_STACK_CACHE")
        install(lock, cache, placement, progress)
