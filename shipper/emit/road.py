"""The way of one call through our code, the same for every road: guarded, total, counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from shipper.ecs.event import Event
from shipper.ecs.values import text, type_name
from shipper.emit.outlet import REGISTRY, Outlet
from shipper.emit.reentry import THREADS, is_ours

_LONGEST_REPORT = 500


def travel(
    groups: Mapping[str, object],
    logger: str,
    make_event: Callable[..., Event | None],
    *arguments: object,
) -> None:
    """Hand the event that `make_event(outlet, *arguments)` returns to the outlet for `groups`.

    No `Exception` leaves: what fails is counted and reported. `KeyboardInterrupt` and `SystemExit` pass.
    """
    thread = THREADS.state
    if thread.is_inside:
        # This thread may hold any of our locks: it is counted on the way out.
        thread.refused += 1
        return
    thread.is_inside = True
    outlet: Outlet | None = None
    try:
        outlet = REGISTRY.outlet(groups)
        event = make_event(outlet, *arguments)
        if event is None:
            return
        if is_ours(logger):
            _report(outlet, event)
        else:
            outlet.emit(event)
    except Exception as error:  # noqa: BLE001 - nothing of ours may reach the application
        with suppress(Exception):
            problem = f"{type_name(error)}: {text(error, _LONGEST_REPORT)}"
            (outlet or REGISTRY.outlet({})).refuse("emit_failed", f"a record of {logger} failed ({problem})")
    finally:
        if thread.refused:
            settle_refused(f"a logging call of {logger}", outlet)
        thread.is_inside = False


@contextmanager
def inside() -> Iterator[None]:
    """Mark this thread as being in our code: a record that a destructor makes meanwhile is not taken.

    For what holds our locks outside of a logging call (`close`, `flush`, reading the counters).
    """
    thread = THREADS.state
    was_inside, thread.is_inside = thread.is_inside, True
    try:
        yield
    finally:
        if thread.refused and not was_inside:
            settle_refused("shipper itself")
        thread.is_inside = was_inside


def settle_refused(where: str, outlet: Outlet | None = None) -> None:
    """Count the records that were made on this thread while it was in our code."""
    with suppress(Exception):
        thread = THREADS.state
        count, thread.refused = thread.refused, 0
        (outlet or REGISTRY.outlet({})).refuse(
            "reentry", f"a record was made inside {where} and dropped", count
        )


def _report(outlet: Outlet, event: Event) -> None:
    if event.level >= logging.WARNING:
        reason = f" ({type_name(event.error[1])})" if event.error is not None else ""
        outlet.report(f"{event.logger}: {text(event.message, _LONGEST_REPORT)}{reason}")
