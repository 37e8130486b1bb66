"""`error.*` of every kind of exception."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from shipper.ecs.event import ExcInfo
from shipper.ecs.exceptions import error_fields, error_fields_from_text
from shipper.ecs.limits import Limits

LIMITS = Limits()


def caught(work: Callable[[], object]) -> ExcInfo:
    """Return what `work` raises."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - that is what it is for
        return type(error), error, error.__traceback__
    raise AssertionError("nothing was raised")


def _low(number: int = 0) -> float:
    return 1 / number


def _with_cause() -> None:
    try:
        _low()
    except ZeroDivisionError as error:
        raise LookupError("no rate") from error


def _with_context() -> None:
    try:
        _low()
    except ZeroDivisionError:
        dict[str, float]()["rate"]


def _with_group() -> None:
    cause = caught(_with_cause)[1]
    assert isinstance(cause, LookupError)
    raise ExceptionGroup("two went wrong", [ValueError("first"), cause])


def _with_note() -> None:
    error = ValueError("bad row")
    error.add_note("row 17 of orders.csv")
    raise error


@pytest.mark.parametrize(
    ("work", "kind", "message", "parts"),
    [
        (_low, "ZeroDivisionError", "division by zero", ["in _low"]),
        (_with_cause, "LookupError", "no rate", ["ZeroDivisionError", "direct cause", "in _with_cause"]),
        (_with_context, "KeyError", "'rate'", ["ZeroDivisionError", "During handling"]),
        (
            _with_group,
            "ExceptionGroup",
            "two went wrong (2 sub-exceptions)",
            ["first", "no rate", "division by zero"],
        ),
        (_with_note, "ValueError", "bad row", ["row 17 of orders.csv"]),
        (lambda: sys.exit(3), "SystemExit", "3", ["SystemExit: 3"]),
    ],
)
def test_whole_text(work: Callable[[], object], kind: str, message: str, parts: list[str]) -> None:
    """U48: type and message are set; the stack trace holds causes, contexts, group members and notes."""
    fields = error_fields(caught(work), LIMITS)
    assert (fields["type"], fields["message"]) == (kind, message)
    for part in parts:
        assert part in fields["stack_trace"]


def test_qualified_type() -> None:
    """`error.type` is the qualified class; builtins stand without a module."""

    class OrderRefused(Exception):
        """Of ours."""

    def work() -> None:
        raise OrderRefused

    assert error_fields(caught(work), LIMITS)["type"].endswith(
        "test_exceptions.test_qualified_type.<locals>.OrderRefused"
    )


def test_long_traces_are_cut_from_the_middle() -> None:
    """U48: a long stack trace keeps its beginning and its end, and says how long it was."""

    def work() -> None:
        raise ValueError("x" * 200_000 + "the end")

    trace = error_fields(caught(work), LIMITS)["stack_trace"]
    assert len(trace) == LIMITS.stack_trace
    assert trace.startswith("Traceback")
    assert trace.endswith("the end")
    assert "…[cut, " in trace


def _recursive(depth: int) -> float:
    return _low() if depth == 0 else _recursive(depth - 1)


def test_fingerprint_is_stable() -> None:
    """`error.id` is equal for equal faults: whatever the message, the line, or the depth of a recursion."""
    one, two = caught(lambda: int("a")), caught(lambda: int("b"))
    assert one[1].args != two[1].args
    ids = {error_fields(caught(lambda depth=depth: _recursive(depth)), LIMITS)["id"] for depth in (1, 2, 50)}  # type: ignore[misc]
    assert len(ids) == 1
    others = {
        error_fields(caught(work), LIMITS)["id"] for work in (_low, _with_cause, _with_context, _with_note)
    }
    assert len(others | ids) == 5
    assert all(len(found) == 16 for found in others)


def test_endless_recursion() -> None:
    """A RecursionError is described in bounded size and time."""

    def work() -> object:
        return work()

    fields = error_fields(caught(work), LIMITS)
    assert fields["type"] == "RecursionError"
    assert len(fields["stack_trace"]) < 5_000


class Hostile(Exception):
    """Has no text and no notes that can be read."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no notes")


def test_hostile_exceptions() -> None:
    """U16: an exception whose text and notes raise is still reported with its type and frames."""

    def work() -> None:
        raise Hostile

    fields = error_fields(caught(work), LIMITS)
    assert fields["type"].endswith("Hostile")
    assert "RuntimeError" in fields["message"]
    assert "in work" in fields["stack_trace"]


def test_cyclic_chains() -> None:
    """A cause that leads back to the exception ends the chain."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    fields = error_fields((ValueError, one, None), LIMITS)
    assert "two" in fields["stack_trace"]


def test_from_text() -> None:
    """U48: where only the text of a traceback is left, type and message are read from its last line."""
    whole = error_fields(caught(_with_cause), LIMITS)
    fields = error_fields_from_text(whole["stack_trace"], LIMITS)
    assert (fields["type"], fields["message"]) == ("LookupError", "no rate")
    assert fields["stack_trace"] == whole["stack_trace"]
    assert error_fields_from_text("???", LIMITS)["type"] == "Exception"
