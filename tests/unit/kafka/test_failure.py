"""Each error class of the Kafka client becomes one of ours."""

from __future__ import annotations

import inspect
import pickle

import pytest

from shipper.errors import (
    AccessRefused,
    BrokerUnavailable,
    GroupRebalanced,
    RecordRefused,
    RecordTooLarge,
    TopicMissing,
    TransportError,
)
from shipper.kafka.failure import needs_new_client, to_transport_error

# After shipper.kafka, which keeps the client's deprecated calls from failing the import.
from kafka import errors  # isort: skip

ALL = sorted(
    {found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)},
    key=lambda found: found.__name__,
)


def instance(kind: type[Exception]) -> Exception:
    """Make an error without its constructor, which some classes need arguments for."""
    return kind.__new__(kind)


def ours(error: Exception) -> TransportError:
    """Map an error with everything that a producer or consumer knows."""
    return to_transport_error(
        error, bootstrap_servers="b:9092", topic="t", group="g", size_bytes=2_000_000, limit_bytes=1_000_000
    )


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_class_is_mapped_and_survives_pickling(kind: type[Exception]) -> None:
    """No class of the client is without a counterpart; each reads as a sentence and can cross processes."""
    mapped = ours(instance(kind))
    assert type(mapped).__module__ == "shipper.errors"
    assert str(mapped).endswith(".")
    assert str(pickle.loads(pickle.dumps(mapped))) == str(mapped)  # noqa: S301


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_what_the_client_calls_retriable_is_retriable(kind: type[Exception]) -> None:
    """The client's own word is kept: a retriable error never refuses a record."""
    if getattr(kind, "retriable", False):
        assert ours(instance(kind)).retriable
        assert not needs_new_client(instance(kind))


def test_only_errors_about_the_record_refuse_it() -> None:
    """Whatever says nothing lasting about the record (rights, configuration, state) lets it wait."""
    refused = {kind.__name__ for kind in ALL if not ours(instance(kind)).retriable}
    assert refused == {
        "InvalidRecordError",
        "InvalidTimestampError",
        "MessageSizeTooLargeError",
        "PolicyViolationError",
        "RecordListTooLargeError",
        "UnsupportedForMessageFormatError",
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.KafkaTimeoutError("slow"), BrokerUnavailable),
        (errors.KafkaConnectionError("gone"), BrokerUnavailable),
        (errors.UnknownTopicOrPartitionError(), TopicMissing),
        (errors.SaslAuthenticationFailedError(), AccessRefused),
        (errors.TopicAuthorizationFailedError(), AccessRefused),
        (errors.CommitFailedError(), GroupRebalanced),
        (errors.RebalanceInProgressError(), GroupRebalanced),
        (errors.IllegalGenerationError(), GroupRebalanced),
        (errors.MessageSizeTooLargeError(), RecordTooLarge),
        (errors.InvalidRecordError(), RecordRefused),
        (ValueError("the client's bug"), BrokerUnavailable),
        (OSError(111, "Connection refused"), BrokerUnavailable),
    ],
)
def test_the_class_tells_what_to_do(error: Exception, expected: type[TransportError]) -> None:
    """Our class names the remedy: wait, create the topic, fix the credentials, poll again, dead letter."""
    assert type(ours(error)) is expected


def test_broken_client_state_asks_for_a_new_client() -> None:
    """An error after which the same client object cannot go on makes us connect anew; others do not."""
    assert needs_new_client(errors.ProducerFencedError())
    assert needs_new_client(errors.SaslAuthenticationFailedError())
    assert needs_new_client(RuntimeError())
    assert not needs_new_client(errors.KafkaTimeoutError())
    assert needs_new_client(errors.MessageSizeTooLargeError())
    assert not needs_new_client(errors.CommitFailedError())
