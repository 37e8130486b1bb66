"""Every exception of the client library is mapped; see shipper/elastic/failures.py."""

from __future__ import annotations

import inspect
import pickle

import elastic_transport
import elasticsearch
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from shipper.elastic.failures import CLIENT_ERRORS, RETRIABLE_STATUSES, mapped
from shipper.errors import RequestRefused, StoreUnavailable

URL = "http://es.example:9200"


def exception_classes() -> list[type[Exception]]:
    """Return every exception class (warnings aside) that the two packages define, however nested."""
    found: set[type[Exception]] = set()
    roots = [
        value
        for module in (elasticsearch, elastic_transport)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    ]
    while roots:
        kind = roots.pop()
        found.add(kind)
        roots += [child for child in kind.__subclasses__() if not issubclass(child, Warning)]
    return sorted(found, key=lambda kind: kind.__qualname__)


def meta(status: int) -> ApiResponseMeta:
    """Return the description of an answer with this status."""
    return ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, NodeConfig("http", "es.example", 9200))


def made(kind: type[Exception], status: int = 400) -> Exception:
    """Return an exception of the library as the library would raise it."""
    if issubclass(kind, elastic_transport.ApiError):
        body = {"error": {"type": "t", "reason": "outer", "caused_by": {"reason": "inner"}}, "status": status}
        return kind("t", meta(status), body)
    return kind("something went wrong")


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__qualname__)
def test_each_exception_of_the_library_is_one_of_ours(kind: type[Exception]) -> None:
    """No class is forgotten: each is caught by CLIENT_ERRORS and becomes a sentence that can be pickled."""
    assert issubclass(kind, CLIENT_ERRORS)
    ours = mapped(made(kind), URL)
    assert isinstance(ours, StoreUnavailable | RequestRefused)
    assert str(pickle.loads(pickle.dumps(ours))) == str(ours)  # noqa: S301
    assert "\n" not in str(ours)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 429, 500, 501, 502, 503, 504])
def test_status_decides_whether_a_repeat_can_help(status: int) -> None:
    """408, 429, 500, 502, 503 and 504 are retriable; every other status is not."""
    ours = mapped(made(elasticsearch.ApiError, status), URL)
    assert ours.retriable == (status in RETRIABLE_STATUSES)
    if isinstance(ours, RequestRefused):
        assert ours.status == status


def test_the_reason_holds_the_causes() -> None:
    """The innermost cause is told: the outermost sentence alone seldom says why."""
    assert "outer: inner" in str(mapped(made(elasticsearch.BadRequestError), URL))


@pytest.mark.parametrize("kind", [elastic_transport.ConnectionError, elastic_transport.ConnectionTimeout])
def test_no_answer_is_retriable(kind: type[Exception]) -> None:
    """A server that does not answer may answer later."""
    assert mapped(made(kind), URL).retriable


def test_another_server_at_that_address_is_said_so() -> None:
    """An answer without Elasticsearch's mark, or one that cannot be read, names the address as the trouble."""
    for kind in (elasticsearch.UnsupportedProductError, elastic_transport.SerializationError):
        assert "not Elasticsearch" in str(mapped(made(kind), URL))


def test_credentials_are_named_on_401_and_403() -> None:
    """The sentence says which settings to look at."""
    for status in (401, 403):
        assert "elasticsearch.api_key" in str(mapped(made(elasticsearch.ApiError, status), URL))
