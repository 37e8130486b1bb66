"""Setting up shipper for a contender, and counting what is really in the spool afterwards.

Everything of shipper is imported inside functions, here and in the contenders: a peer's process has nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.contender import Fields, Place, Subject

if TYPE_CHECKING:
    import shipper

AGENT: Mapping[str, object] = {"mode": "agent"}
"""No thread of ours in the process: somebody else reads the spool."""

_COMMIT = "4f2a9c1e7b3d5a6f8091c2d3e4f5a6b7c8d9e0f1"
_CONTEXT = {"http.request.id": "7f3c1d90-5b1e-4d4e-9d8a-2f6f0a7c1b11"}
_REQUEST = ExitStack()  # kept: a context manager that nobody refers to any more ends


def configure(place: Place, *, redaction: bool, **groups: Any) -> shipper.Pipeline:
    """Configure a service as one would: name, version, environment, commit, model, and a bound request."""
    import shipper  # noqa: PLC0415 - see the module

    if not redaction:
        groups["redact"] = {"enabled": False}
    groups.setdefault("ship", AGENT)
    groups.setdefault("spool", {"directory": place.directory / "spool"})
    pipeline = shipper.configure(
        service={"name": "checkout", "version": "1.4.2", "environment": "production"},
        model={"name": "biopsy", "version": "2026-11-01"},
        git={"commit": _COMMIT, "branch": "main"},
        **groups,
    )
    # Bound until the process ends, as inside a request.
    _REQUEST.enter_context(shipper.context(**_CONTEXT))
    return pipeline


def subject(place: Place, emit: Callable[[Fields], object]) -> Subject:
    """Return a subject whose records must all be found in the spool afterwards."""
    import shipper  # noqa: PLC0415 - see the module

    return Subject(emit, shipper.close, lambda: _read(place)[0], lambda: _read(place)[1])


def _read(place: Place) -> tuple[int, int]:
    """Return how many records are in the spool, and the bytes of their documents."""
    from shipper.spool.directory import scan  # noqa: PLC0415 - see the module
    from shipper.spool.reader import SpoolReader  # noqa: PLC0415

    count = size = 0
    for folder in scan(place.directory / "spool"):
        reader = SpoolReader.open(folder)
        if reader is None:
            raise RuntimeError(f"{folder} is being read by somebody else")
        while (record := reader.read()) is not None:
            count += 1
            size += len(record.payload)
        reader.close()
    return count, size
