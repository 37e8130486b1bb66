"""One stored document as a line of a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.cli.log_line import field, log_line, printable

DOCUMENT: dict[str, Any] = {
    "@timestamp": "2026-11-21T10:11:12.123456Z",
    "message": "it failed",
    "log": {"level": "error"},
    "service": {"name": "scorer"},
    "git": {"commit": "0123456789abcdef"},
    "ml": {"model": {"name": "churn"}, "metrics": {"loss": 0.123456}},
    "labels": {"user": "u1"},
    "error": {"type": "ValueError", "message": "bad", "stack_trace": "Traceback\n  line"},
}


def test_a_line_tells_when_where_and_what() -> None:
    """Time to the millisecond, level, service, message, error, model, short commit, metrics and labels."""
    assert log_line(DOCUMENT).plain == (
        "2026-11-21 10:11:12.123 ERROR    scorer  it failed  ValueError: bad  model=churn  commit=0123456789"
        "  loss=0.1235  user=u1"
    )


def test_the_stack_trace_comes_when_asked_for() -> None:
    """--trace adds the whole stack trace, indented; otherwise one line per document."""
    assert "\n" not in log_line(DOCUMENT).plain
    assert log_line(DOCUMENT, with_trace=True).plain.endswith("\n    Traceback\n      line")


def test_an_error_that_the_message_tells_is_not_repeated() -> None:
    """The error's text is left out where the message holds it already."""
    assert "ValueError" not in log_line(DOCUMENT | {"message": "it was bad"}).plain


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "a\rb", "\x9b31m", "\x00"])
def test_nothing_in_a_record_drives_the_terminal(text: str) -> None:
    """Escape sequences in any part of a record are shown, not obeyed."""
    hostile = DOCUMENT | {
        "message": text,
        "labels": {text: text},
        "service": {"name": text},
        "@timestamp": text,
    }
    assert not set(log_line(hostile, with_trace=True).plain) & set("\x1b\x07\r\x9b\x00")


@given(
    st.dictionaries(
        st.sampled_from([*DOCUMENT, "x"]), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_any_document_has_a_line(changes: dict[str, Any]) -> None:
    """Fields that are missing or of another type never raise."""
    log_line(DOCUMENT | changes, with_trace=True)


def test_fields_are_found_nested_and_dotted() -> None:
    """A field written with dots is found as well; a nested one comes first."""
    assert field({"log.level": "info"}, "log.level") == "info"
    assert field({"log": {"level": "debug"}, "log.level": "info"}, "log.level") == "debug"
    assert field({"log": "text"}, "log.level") is None


def test_ordinary_text_stays() -> None:
    """Line ends, tabs and all letters are left alone."""
    assert printable("Grüße\n\t日本 🎉") == "Grüße\n\t日本 🎉"
