"""Trace ids from OpenTelemetry and from W3C headers."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import shipper
from shipper.enrich.context import bound_fields
from shipper.enrich.trace import parse_traceparent, trace_fields

TRACER = TracerProvider().get_tracer("test")


def ids(span: trace.Span) -> dict[str, str]:
    """The ids as OpenTelemetry itself writes them."""
    found = span.get_span_context()
    return {
        "trace.id": trace.format_trace_id(found.trace_id),
        "span.id": trace.format_span_id(found.span_id),
    }


def test_the_current_span_is_on_each_record(shipper_records: Any) -> None:
    """Records inside a span carry its ids, on both roads; outside they carry none."""
    log = shipper.get_logger()
    with TRACER.start_as_current_span("outer") as outer:
        log.info("outer")
        with TRACER.start_as_current_span("inner") as inner:
            log.info("inner")
    log.info("outside")
    found = [
        {"trace.id": d.get("trace", {}).get("id"), "span.id": d.get("span", {}).get("id")}
        for d in shipper_records.documents
    ]
    assert found == [ids(outer), ids(inner), {"trace.id": None, "span.id": None}]
    assert ids(outer)["trace.id"] == ids(inner)["trace.id"]


def test_the_same_span_is_the_same_mapping() -> None:
    """Within one span a thread gets one mapping, alone and joined with bound context."""
    with TRACER.start_as_current_span("one") as one:
        first = trace_fields()
        assert dict(first) == ids(one)
        assert trace_fields() is first
        with shipper.context(a=1):
            joined = bound_fields()
            assert dict(joined) == {**ids(one), "a": 1}
            assert bound_fields() is joined
            with TRACER.start_as_current_span("two") as two:
                assert dict(bound_fields()) == {**ids(two), "a": 1}
    assert dict(trace_fields()) == {}


def test_a_trace_bound_by_hand_replaces_all() -> None:
    """A `trace.id` that is bound by hand never stands beside another trace's `span.id`."""
    with TRACER.start_as_current_span("span"), shipper.context(**{"trace.id": "by-hand"}):
        assert dict(bound_fields()) == {"trace.id": "by-hand"}


def test_a_carried_function_stays_in_its_trace() -> None:
    """`shipper.carry` takes the span along into another thread."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, TRACER.start_as_current_span("span") as span:
        assert pool.submit(trace_fields).result() == {}
        assert dict(pool.submit(shipper.carry(trace_fields)).result()) == ids(span)


@pytest.mark.parametrize("broken", [SimpleNamespace(), None, SimpleNamespace(get_current_span=lambda: 1 / 0)])
def test_whatever_opentelemetry_does(broken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is half imported, or raises, means no span and no error."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", broken)
    assert dict(trace_fields()) == {}


def test_opentelemetry_is_never_imported() -> None:
    """Logging without OpenTelemetry loaded does not load it."""
    code = (
        "import sys, shipper\nfrom shipper.testing import capture\n"
        "with capture() as records: shipper.get_logger().info('hello')\n"
        "print(len(records), 'opentelemetry' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1", "False"]


@pytest.mark.parametrize(
    ("header", "is_taken"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f" 00-{'a' * 32}-{'b' * 16}-00 ", True),
        (f"01-{'a' * 32}-{'b' * 16}-01-later", True),
        (f"00-{'a' * 32}-{'b' * 16}-01-later", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"00-{'A' * 32}-{'b' * 16}-01", False),
        ("", False),
        ("00", False),
        (f"00-{'a' * 32}-{'b' * 16}-01\n\n00", False),
        (None, False),
    ],
)
def test_traceparent(header: Any, is_taken: bool) -> None:
    """A W3C `traceparent` gives both ids where it is well formed, else none."""
    expected = {"trace.id": "a" * 32, "span.id": "b" * 16} if is_taken else {}
    assert dict(parse_traceparent(header)) == expected
