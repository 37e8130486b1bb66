"""Celery: the worker's and the tasks' messages as records, each once, with the task they belong to.

In the module that makes the Celery application::

    shipper.configure(service="scoring-worker")
    shipper.integrations.celery.install()
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

from shipper.enrich.context import context
from shipper.integrations.python import install as install_python

_OPEN: Final[dict[str, AbstractContextManager[None]]] = {}
"""The bindings of tasks that run, by task id."""


def install(level: int | str = "INFO") -> None:
    """Let Celery's workers log through us: they then leave the `logging` tree alone (no handler of theirs, no format).

    Each record that a task makes carries its name and id, as `labels.celery_task` and `labels.celery_task_id`.
    Idempotent.

    Args:
        level: of the root logger in workers.
    """
    from celery import signals  # noqa: PLC0415 - only where Celery is used

    def take_over(**_arguments: Any) -> None:
        install_python(level=level, uncaught=False)

    signals.setup_logging.connect(take_over, weak=False, dispatch_uid="shipper")
    signals.task_prerun.connect(_begin, weak=False, dispatch_uid="shipper")
    signals.task_postrun.connect(_end, weak=False, dispatch_uid="shipper")


def _begin(task_id: str = "", task: Any = None, **_arguments: Any) -> None:
    binding = context(
        **{"labels.celery_task": str(getattr(task, "name", "")), "labels.celery_task_id": str(task_id)}
    )
    binding.__enter__()
    _OPEN[str(task_id)] = binding


def _end(task_id: str = "", **_arguments: Any) -> None:
    binding = _OPEN.pop(str(task_id), None)
    if binding is not None:
        binding.__exit__(None, None, None)
