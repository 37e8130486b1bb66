"""Counters that are asked by whom they interrupt."""

from __future__ import annotations

import threading

from shipper.observe.counters import Counters


def test_counting_inside_counting_never_waits() -> None:
    """U08: a destructor that logs while its thread counts, and whose record is dropped, is counted and waits for nothing."""
    counters = Counters()

    class Reason(str):
        __slots__ = ()

        def __hash__(self) -> int:
            counters.count_dropped("inner")
            return str.__hash__(self)

    def work() -> None:
        counters.count_dropped(Reason("outer"))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for itself"
    assert counters.snapshot().dropped["inner"] >= 1
