"""Every exception of shipper, in one tree.

::

    ShipperError
    ├── ConfigurationError       a setting, rule or argument is wrong; the sentence says which and why
    ├── SpoolError               the local disk buffer
    │   ├── SpoolFull            (retriable) the cap or the free-space floor is reached
    │   ├── SpoolUnreadable      (retriable) a folder cannot be read or its checkpoint not written
    │   └── FrameError           a frame cannot be read
    │       ├── TornFrame        the segment ends inside it: a crash during append
    │       └── CorruptFrame     the checksum does not match
    ├── TransportError           between the spool and Kafka
    │   ├── BrokerUnavailable    (retriable) no broker answered in time
    │   ├── TopicMissing         (retriable) the topic is not there: `shipper setup` makes it, records wait
    │   ├── GroupRebalanced      (retriable) the consumer group changed: offsets were not committed
    │   ├── AccessRefused        (retriable) the broker does not let us in: records wait until it does
    │   ├── RecordTooLarge       refused at any time: dead letter, never retried
    │   └── RecordRefused        refused for another lasting reason
    ├── StoreError               Elasticsearch
    │   ├── StoreUnavailable     (retriable) no answer, or an answer that says "later"
    │   └── RequestRefused       the request is wrong or forbidden
    └── StackError               the embedded servers
        ├── DownloadFailed       (retriable) an archive did not arrive whole
        ├── ChecksumMismatch     an archive is not the one that was pinned
        ├── PortBusy             another program listens there
        ├── ResourceShortage     too little memory or disk
        └── ServerFailed         a server did not start, or stopped by itself

An error says whether a repeat can help (`retriable`), keeps what it knows in fields, reads as one
sentence, and survives pickling.
"""

from __future__ import annotations

from typing import ClassVar


class ShipperError(Exception):
    """Root of all errors of shipper; `str()` of each is one sentence for a person."""

    retriable: ClassVar[bool] = False


class ConfigurationError(ShipperError):
    """A setting, a rule or an argument is wrong. The only argument is the whole sentence."""


class SpoolError(ShipperError):
    """Something about the local disk buffer."""


class SpoolFull(SpoolError):
    """No room for a record: the cap in bytes or the free-space floor is reached."""

    retriable = True

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory = directory
        self.reason = reason

    def __str__(self) -> str:
        return f"The spool {self.directory} takes no more records: {self.reason}."


class SpoolUnreadable(SpoolError):
    """A spool folder cannot be read, or its checkpoint cannot be written."""

    retriable = True

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory = directory
        self.reason = reason

    def __str__(self) -> str:
        return f"The spool folder {self.directory} cannot be read or acknowledged: {self.reason}."


class FrameError(SpoolError):
    """A frame cannot be read; it starts at byte `offset` of the file `segment`."""

    def __init__(self, segment: str, offset: int) -> None:
        super().__init__(segment, offset)
        self.segment = segment
        self.offset = offset


class TornFrame(FrameError):
    """The segment ends inside a frame; expected only at the very end, after a crash during append."""

    def __str__(self) -> str:
        return f"Segment {self.segment} ends inside the frame that starts at byte {self.offset}."


class CorruptFrame(FrameError):
    """The checksum over a frame's header and payload does not match, or the header is absurd."""

    def __str__(self) -> str:
        return f"Segment {self.segment} is damaged at byte {self.offset}."


class TransportError(ShipperError):
    """Something between the spool and Kafka."""


class BrokerUnavailable(TransportError):
    """No broker took the request in time. Says nothing about whether the record was stored."""

    retriable = True

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        super().__init__(bootstrap_servers, reason)
        self.bootstrap_servers = bootstrap_servers
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Kafka at {self.bootstrap_servers} cannot be reached ({self.reason}); "
            "check that it runs and that kafka.bootstrap_servers is right."
        )


class TopicMissing(TransportError):
    """The topic does not exist (the brokers do not make topics by themselves). Records wait for it."""

    retriable = True

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self.topic = topic

    def __str__(self) -> str:
        return f"The Kafka topic {self.topic} does not exist; `shipper setup` creates it."


class GroupRebalanced(TransportError):
    """The consumer group changed before offsets were committed; poll again, then commit again."""

    retriable = True

    def __init__(self, group: str, reason: str) -> None:
        super().__init__(group, reason)
        self.group = group
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The consumer group {self.group} is changing hands ({self.reason}); offsets are committed later."
        )


class AccessRefused(TransportError):
    """The broker does not let us in or does not let us write. It says nothing about the record, which waits."""

    retriable = True

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        super().__init__(bootstrap_servers, reason)
        self.bootstrap_servers = bootstrap_servers
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Kafka at {self.bootstrap_servers} refuses access ({self.reason}); "
            "check kafka.security_protocol, the credentials and the rights on the topics."
        )


class RecordTooLarge(TransportError):
    """Refused at any time: a dead letter, never retried. A limit of 0 is the broker's, whose figure it does not tell."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_bytes, limit_bytes)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        limit = f"limit of {self.limit_bytes} bytes" if self.limit_bytes else "limit of its topic"
        return f"A record of {self.size_bytes} bytes is over the {limit}."


class RecordRefused(TransportError):
    """The broker refuses the record for a lasting reason other than its size."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Kafka refused the record: {self.reason}."


class StoreError(ShipperError):
    """Something about Elasticsearch."""


class StoreUnavailable(StoreError):
    """Elasticsearch did not answer, or answered that it cannot now (429, 502, 503, 504)."""

    retriable = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Elasticsearch at {self.url} cannot be reached ({self.reason}); "
            "check that it runs and that elasticsearch.url is right."
        )


class RequestRefused(StoreError):
    """Elasticsearch understood the request and refuses it; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason

    def __str__(self) -> str:
        return f"Elasticsearch refused the request with status {self.status}: {self.reason}."


class StackError(ShipperError):
    """Something about the embedded servers. The only argument of the base is the whole sentence."""


class DownloadFailed(StackError):
    """An archive did not arrive whole; what had arrived is not used."""

    retriable = True

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what} could not be downloaded ({self.reason}); run the command again."


class ChecksumMismatch(StackError):
    """A file is not the one that was pinned; it has been set aside and is not used."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(what, expected, found)
        self.what, self.expected, self.found = what, expected, found

    def __str__(self) -> str:
        return (
            f"{self.what} has the wrong checksum (expected {self.expected[:12]}…, found {self.found[:12]}…); "
            "it was removed, run the command again."
        )


class PortBusy(StackError):
    """Another program listens on a port that a server needs."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(port, setting)
        self.port, self.setting = port, setting

    def __str__(self) -> str:
        return f"Port {self.port} is in use by another program; stop it or choose another port with {self.setting}."


class ResourceShortage(StackError):
    """Too little memory or disk for what is about to start; figures in bytes."""

    def __init__(self, what: str, needed_bytes: int, available_bytes: int, remedy: str = "") -> None:
        super().__init__(what, needed_bytes, available_bytes, remedy)
        self.what = what
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        self.remedy = remedy

    def __str__(self) -> str:
        needed, available = self.needed_bytes >> 20, self.available_bytes >> 20
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"Not enough {self.what}: {needed} MiB needed, {available} MiB available{remedy}."


class ServerFailed(StackError):
    """A server did not become ready, or ended by itself; `log` is a path, `tail` its last lines."""

    def __init__(self, server: str, reason: str, log: str, tail: str = "") -> None:
        super().__init__(server, reason, log, tail)
        self.server = server
        self.reason = reason
        self.log = log
        self.tail = tail

    def __str__(self) -> str:
        sentence = f"{self.server} failed: {self.reason}; its log is {self.log}."
        return f"{sentence} It ends with:\n{self.tail}" if self.tail else sentence
