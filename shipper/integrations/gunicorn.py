"""gunicorn: its messages and its access log as records, each once. In `gunicorn.conf.py`::

    import shipper
    from shipper.integrations.gunicorn import logconfig_dict as make

    shipper.configure(service="scoring")
    logconfig_dict = make()

Works with and without `preload_app`: a forked worker ships its own records and leaves the master's to the master.
"""

from __future__ import annotations

from typing import Any

from shipper.integrations.handing_up import handing_up


def logconfig_dict(level: str = "INFO", *, access: bool = True) -> dict[str, Any]:
    """Return what gunicorn's setting of that name takes.

    The root logger gets our handler; gunicorn's loggers hand up to it and keep none of their own.

    Args:
        level: of the root logger.
        access: whether each request is a record (logger `gunicorn.access`).
    """
    return handing_up(level, loggers=["gunicorn.error"], access_logger="gunicorn.access", access=access)
