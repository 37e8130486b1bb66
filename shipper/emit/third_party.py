"""What well-known libraries put into their records, read as fields: access logs, warnings, Celery's tasks.

By the logger's name alone, so that it works wherever our handler hangs. A record that looks otherwise than
expected stays an ordinary one; nothing raises.
"""

from __future__ import annotations

import logging
import os.path
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

_WARNING: Final = re.compile(
    r"(?P<file>.+):(?P<line>\d{1,9}): (?P<category>\w{1,100}): (?P<text>.*)", re.DOTALL
)
_LONGEST: Final = 65_536
_MICROSECOND_NS: Final = 1000


class Reading(NamedTuple):
    """What was found in a record.

    Attributes:
        fields: in addition to what the record gives.
        hidden: names of the record's extras that say the same in another form.
        message: in place of the record's, if not empty.
        origin: file name, line and function in place of the record's.
    """

    fields: Mapping[str, object] = {}
    hidden: frozenset[str] = frozenset()
    message: str = ""
    origin: tuple[str, int, str] | None = None


_NOTHING: Final = Reading()


def is_read(logger: str) -> bool:
    """Tell whether `read` looks into records of this logger."""
    return logger in _READERS


def read(record: logging.LogRecord) -> Reading:
    """Return what is known of a record of this logger."""
    reader = _READERS.get(record.name)
    if reader is None:
        return _NOTHING
    try:
        return reader(record)
    except Exception:  # noqa: BLE001 - another version of the library, or hostile values: an ordinary record
        return _NOTHING


def _uvicorn(record: logging.LogRecord) -> Reading:
    del record
    return Reading(hidden=frozenset({"color_message"}))


def _uvicorn_access(record: logging.LogRecord) -> Reading:
    arguments = record.args
    if not isinstance(arguments, tuple) or len(arguments) != 5:
        return _NOTHING
    address, method, path, _version, status = arguments
    return Reading(_access(str(address).rpartition(":")[0].strip("[]"), method, path, status))


def _gunicorn_access(record: logging.LogRecord) -> Reading:
    atoms = record.args
    if not isinstance(atoms, Mapping):
        return _NOTHING
    # Of a request that failed gunicorn knows the path only from the request line.
    path = atoms.get("U") or str(atoms.get("r")).split(" ")[1]
    fields = _access(atoms.get("h"), atoms.get("m"), path, atoms.get("s"))
    taken_us = atoms.get("D")
    if isinstance(taken_us, int):
        fields["event.duration"] = taken_us * _MICROSECOND_NS
    return Reading(fields)


def _access(client: object, method: object, path: object, status: object) -> dict[str, object]:
    """Return the fields of one request; the path without its query, which may hold anything."""
    fields: dict[str, object] = {
        "http.request.method": method,
        "url.path": str(path).partition("?")[0] if path else None,
        "http.response.status_code": int(str(status)),
    }
    if client and client != "-":
        fields["client.ip"] = client
    return fields


def _warning(record: logging.LogRecord) -> Reading:
    text = record.args[0] if isinstance(record.args, tuple) and len(record.args) == 1 else record.msg
    match = _WARNING.match(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None:
        return _NOTHING
    # The last line is the source line, which `log.origin` finds better.
    said, _, _source = match["text"].rstrip("\n").rpartition("\n")
    message = f"{match['category']}: {said or match['text'].strip()}"
    origin = (os.path.basename(match["file"]), int(match["line"]), "")  # noqa: PTH119
    return Reading({"labels.warning_category": match["category"]}, message=message, origin=origin)


def _celery(record: logging.LogRecord) -> Reading:
    data = record.__dict__.get("data")
    if not isinstance(data, Mapping):
        return _NOTHING
    fields: dict[str, object] = {
        "labels.celery_task": data.get("name"),
        "labels.celery_task_id": data.get("id"),
    }
    runtime_s = data.get("runtime")
    if isinstance(runtime_s, (int, float)):
        fields["event.duration"] = round(runtime_s * 1e9)
    # Arguments and results of tasks are in the rest: what is wanted of them the task logs itself.
    return Reading(fields, hidden=frozenset({"data"}))


_READERS: Final[Mapping[str, Callable[[logging.LogRecord], Reading]]] = {
    "uvicorn": _uvicorn,
    "uvicorn.error": _uvicorn,
    "uvicorn.asgi": _uvicorn,
    "uvicorn.access": _uvicorn_access,
    "gunicorn.access": _gunicorn_access,
    "py.warnings": _warning,
    "celery.app.trace": _celery,
    "celery.worker.strategy": _celery,
    "celery.worker.request": _celery,
}
