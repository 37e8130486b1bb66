"""Each error of the client becomes one of ours, by asking it; nothing of the client leaks.

Two questions decide, in this order:

1. Does it say something lasting about *this record*? Only then the record is refused (dead letter).
2. Otherwise the record is as good as before, and waits: the error becomes a retriable one, whose class says what
   a person can do about it. The client's own `retriable` tells whether the same client object may go on
   (`needs_new_client`).

So an expired password or a missing right never turns good records into dead letters.
"""

from __future__ import annotations

from typing import Final

from kafka import errors

from shipper.errors import (
    AccessRefused,
    BrokerUnavailable,
    GroupRebalanced,
    RecordRefused,
    RecordTooLarge,
    TopicMissing,
    TransportError,
)

_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
_ABOUT_THE_RECORD: Final = (
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
    errors.PolicyViolationError,
    errors.UnsupportedForMessageFormatError,
)
_ACCESS: Final = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.SecurityDisabledError,
)
_NO_TOPIC: Final = (errors.UnknownTopicOrPartitionError, errors.UnknownTopicIdError, errors.InvalidTopicError)
_GROUP: Final = (
    errors.CommitFailedError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.RebalanceInProgressError,
    errors.FencedInstanceIdError,
    errors.FencedMemberEpochError,
    errors.StaleMemberEpochError,
)


def to_transport_error(
    error: Exception,
    *,
    bootstrap_servers: str,
    topic: str = "",
    group: str = "",
    size_bytes: int = 0,
    limit_bytes: int = 0,
) -> TransportError:
    """Return our error for one of the client; the arguments go into its sentence."""
    if isinstance(error, _TOO_LARGE):
        return RecordTooLarge(size_bytes, limit_bytes)
    if isinstance(error, _ABOUT_THE_RECORD):
        return RecordRefused(reason(error))
    if isinstance(error, _NO_TOPIC) and topic:
        return TopicMissing(topic)
    if isinstance(error, _ACCESS):
        return AccessRefused(bootstrap_servers, reason(error))
    if isinstance(error, _GROUP) and group:
        return GroupRebalanced(group, reason(error))
    return BrokerUnavailable(bootstrap_servers, reason(error))


def says_no_entry(error: Exception) -> bool:
    """Return whether a connection failed over who we are, or who the broker is: password, certificate, right."""
    text = str(error).lower()
    return isinstance(error, _ACCESS) or "[ssl" in text or "certificate" in text


def needs_new_client(error: Exception) -> bool:
    """Return whether the client object that raised `error` must not be used any more.

    That includes refusals of one record by the broker: the idempotent producer takes them for fatal and then fails
    whatever else it is given, with the same error.
    """
    if isinstance(error, _GROUP):
        return False
    return not getattr(error, "retriable", False)


def reason(error: Exception) -> str:
    """Return one short line: the broker's name of the error, or the client's words."""
    name = getattr(error, "message", None)
    words = " ".join(str(argument) for argument in error.args) if error.args else ""
    return " ".join((words or name or type(error).__name__).split())[:300]
