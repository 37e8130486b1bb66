"""What producer and consumer over confluent-kafka (librdkafka) share: options, errors, troubles told on the side."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from shipper.config import KafkaSettings
from shipper.errors import (
    AccessRefused,
    BrokerUnavailable,
    GroupRebalanced,
    RecordRefused,
    RecordTooLarge,
    TopicMissing,
    TransportError,
)
from shipper.kafka.secrets import key_password, sasl_password

_RECONNECT_MAX_MS: Final = 2000
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_ABOUT_THE_RECORD: Final = frozenset(
    {
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)
_ACCESS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.SECURITY_DISABLED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001  # librdkafka's own codes begin with an underscore
        KafkaError._SSL,  # noqa: SLF001
    }
)
_NO_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_GROUP: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._STATE,  # noqa: SLF001
    }
)


def confluent_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the options that producer and consumer share. Times are milliseconds. Raises AccessRefused."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": client_id,
        "socket.timeout.ms": round(settings.request_timeout_s * 1000),
        "socket.connection.setup.timeout.ms": max(1000, round(settings.request_timeout_s * 1000)),
        "reconnect.backoff.max.ms": _RECONNECT_MAX_MS,
        "security.protocol": settings.security_protocol.lower(),
        # Its own words go to stderr, past every handler; what matters comes by `error_cb` and is said by us.
        "log_level": 0,
    }
    if settings.sasl_mechanism:
        options["sasl.mechanism"] = settings.sasl_mechanism
        options["sasl.username"] = settings.sasl_username
        options["sasl.password"] = sasl_password(settings)
    for option, path in (
        ("ssl.ca.location", settings.ssl_cafile),
        ("ssl.certificate.location", settings.ssl_certfile),
        ("ssl.key.location", settings.ssl_keyfile),
    ):
        if path is not None:
            options[option] = str(path)
    password = key_password(settings)
    if password:
        options["ssl.key.password"] = password
    return options


class Troubles:
    """What librdkafka says on the side about its connections; the latest of each kind."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._access: KafkaError | None = None
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """Take one; this is the client's `error_cb`."""
        self._last = error
        # A certificate that the broker does not want comes as an alert on a connection that stood already (TLS 1.3).
        if error.code() in _ACCESS or "SSL alert" in error.str():
            self._access = error

    def take_access(self) -> TransportError | None:
        """Return why the broker did not let us in since the last call, or None."""
        error, self._access = self._access, None
        return None if error is None else AccessRefused(self._bootstrap_servers, _words(error.str()))

    def explain(self, error: Exception | KafkaError, **about: Any) -> TransportError:
        """Return our error; where the client knows only that time is up, the reason that it gave on the side."""
        found = confluent_error(error, bootstrap_servers=self._bootstrap_servers, **about)
        if isinstance(found, BrokerUnavailable):
            if self._access is not None:
                return AccessRefused(self._bootstrap_servers, _words(self._access.str()))
            if self._last is not None:
                return confluent_error(self._last, bootstrap_servers=self._bootstrap_servers)
        return found

    def forget(self) -> None:
        """What was said is about a connection that is given up."""
        self._access = self._last = None


def confluent_error(
    error: Exception | KafkaError,
    *,
    bootstrap_servers: str,
    topic: str = "",
    group: str = "",
    size_bytes: int = 0,
    limit_bytes: int = 0,
) -> TransportError:
    """Return our error for one of confluent-kafka: the same table as `failure.to_transport_error`."""
    found = error.args[0] if isinstance(error, KafkaException) and error.args else error
    if not isinstance(found, KafkaError):
        return BrokerUnavailable(bootstrap_servers, _words(str(error) or type(error).__name__))
    code, reason = found.code(), _words(found.str())
    ours: TransportError = BrokerUnavailable(bootstrap_servers, reason)
    if code in _TOO_LARGE:
        ours = RecordTooLarge(size_bytes, limit_bytes)
    elif code in _ABOUT_THE_RECORD:
        ours = RecordRefused(reason)
    elif code in _NO_TOPIC and topic:
        ours = TopicMissing(topic)
    elif code in _ACCESS:
        ours = AccessRefused(bootstrap_servers, reason)
    elif code in _GROUP and group:
        ours = GroupRebalanced(group, reason)
    return ours


def _words(text: str) -> str:
    return " ".join(text.split())[:300]
