"""What we know of the surroundings that change how threads work: told at the first record, never guessed later.

The table that people read is in `docs/how-to/frameworks.md`.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from shipper.observe.report import Reporter

_REMEDY: Final = "set ship.mode = agent and run `shipper agent`"


def problems(mode: str) -> list[str]:
    """Return one sentence for each surrounding in which `ship.mode` is not supported; none where all is well.

    Args:
        mode: `thread` or `agent`.
    """
    if mode != "thread":
        return []
    checks = (
        ("gevent has replaced Python's threads", _gevent),
        ("eventlet has replaced Python's threads", _eventlet),
        ("uWSGI runs without threads (enable-threads)", _uwsgi_without_threads),
    )
    return [
        f"{what}: shipping by a thread is not supported here; {_REMEDY}."
        for what, is_so in checks
        if _ask(is_so)
    ]


def report_unsupported(mode: str, reporter: Reporter) -> None:
    """Tell of `problems` on standard error; records are kept in the spool whatever they are."""
    for problem in problems(mode):
        reporter.report(f"support.{problem[:6]}", problem)


def _ask(is_so: Any) -> bool:
    try:
        return bool(is_so())
    except Exception:  # noqa: BLE001 - another version of the library: nothing is known, and nothing must break
        return False


def _gevent() -> bool:
    module: Any = sys.modules.get("gevent.monkey")
    return module is not None and bool(module.is_module_patched("threading"))


def _eventlet() -> bool:
    module: Any = sys.modules.get("eventlet.patcher")
    return module is not None and bool(module.is_monkey_patched("thread"))


def _uwsgi_without_threads() -> bool:
    module: Any = sys.modules.get("uwsgi")  # exists only inside a uWSGI process
    if module is None:
        return False
    options = {key if isinstance(key, bytes) else str(key).encode() for key in module.opt}
    return not options & {b"enable-threads", b"threads"}
