"""Which file system a folder is on, and whether a segment there may be mapped. The table is in FORMAT.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/self/mountinfo")

SAFE_TO_MAP: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "overlay"})
"""Where what is allocated stays so: a store into a mapped page cannot fail. All others, also unknown ones, get writes.

Not network file systems and FUSE, where a server may refuse the page later, nor those that copy on write (btrfs, zfs,
f2fs), where a page that was allocated is given another place when it is written."""

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def is_safe_to_map(directory: Path) -> bool:
    """Return whether segments in an existing folder may be mapped; False where it cannot be told."""
    try:
        table = _TABLE.read_text("utf-8", "surrogateescape")
        return file_system_of(str(directory.resolve(strict=True)), table) in SAFE_TO_MAP
    except (OSError, RuntimeError, ValueError):  # no such table (not Linux), a loop of links
        return False


def file_system_of(path: str, table: str) -> str:
    """Return the type of the file system on which an absolute path lies; "" if the table does not say.

    Args:
        path: without symbolic links.
        table: lines as in `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    """
    kind, longest = "", -1
    for line in table.splitlines():
        place, _, source = line.partition(" - ")
        words = place.split(" ")
        if len(words) < 5 or not source:
            continue
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), words[4])
        holds = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two on one place the later one lies above.
        if holds and len(point) >= longest:
            kind, longest = source.split(" ")[0], len(point)
    return kind
