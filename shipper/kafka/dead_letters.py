"""The one form of a dead letter, over all hops: what was refused, whole, with reason, hop and position.

One line of JSON per letter::

    {"dead_letter": {"reason": "too_large", "detail": "...", "hop": "ship", "at": "2026-11-21T10:11:12.123456Z",
                     "position": "<producer>/3@18820", "payload_bytes": 1200345, "payload_sha256": "..."},
     "event_id": "<producer>-17", "dataset": "ml.app", "index": "logs-ml.app-default-2026.11.21",
     "payload_base64": "..."}

The payload is whole, unless even the dead-letter topic refuses it for its size: then it is cut,
`payload_truncated` is true, and its length and digest tell what is missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from shipper.config import KafkaSettings
from shipper.errors import RecordTooLarge
from shipper.kafka.headers import DATASET, EVENT_ID, INDEX, SCHEMA, SCHEMA_VERSION
from shipper.kafka.producer import Message, Outcome, Producer

_BASE64_GROWTH: Final = 4 / 3
_ENVELOPE_BYTES: Final = 16 << 10
_DETAIL_CHARACTERS: Final = 2000
_CUT_BYTES: Final = 256 << 10
_LARGEST_BYTES: Final = 32 << 20
_ID_DIGITS: Final = 32
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def topic_config(settings: KafkaSettings) -> dict[str, str]:
    """Return the settings with which the dead-letter topic is to be made: it takes what others refuse."""
    return {"max.message.bytes": str(max_letter_bytes(settings)), "retention.ms": "-1"}


def max_letter_bytes(settings: KafkaSettings) -> int:
    """Return the largest dead letter that is sent whole, in bytes."""
    return max(_LARGEST_BYTES, round(settings.max_record_bytes * _BASE64_GROWTH) + _ENVELOPE_BYTES)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused record.

    Attributes:
        reason: one word under which it is counted.
        detail: one sentence for a person.
        hop: who refused it: ship, index, ...
        at_us: when, microseconds since the epoch.
        position: where it came from, for people.
        event_id, dataset, index: as far as they are known, else "".
        payload: the original bytes.
        is_cut: `payload` is not whole; only on letters that were read.
        is_moved: it was put behind newer letters, because one before it had to go (`shipper erase`).
        payload_bytes, payload_sha256: of the original, on letters that were read; else those of `payload` count.
    """

    reason: str
    detail: str
    hop: str
    at_us: int
    position: str
    event_id: str
    dataset: str
    index: str
    payload: bytes
    is_cut: bool = False
    is_moved: bool = field(default=False, compare=False)
    payload_bytes: int | None = field(default=None, compare=False)
    payload_sha256: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the original payload."""
        return self.payload_sha256 or hashlib.sha256(self.payload).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Size of the original payload."""
        return len(self.payload) if self.payload_bytes is None else self.payload_bytes

    @property
    def letter_id(self) -> str:
        """One id for all refusals of one record, at whatever hop and however often: 32 hexadecimal digits."""
        name = f"{self.event_id}\n{self.digest}".encode("utf-8", "replace")
        return hashlib.sha256(name).hexdigest()[:_ID_DIGITS]

    def encode(self, payload_max_bytes: int | None = None) -> bytes:
        """Return the line of JSON; a payload over `payload_max_bytes` is cut and marked."""
        is_cut = payload_max_bytes is not None and len(self.payload) > payload_max_bytes
        about: dict[str, Any] = {
            "reason": self.reason,
            "detail": self.detail[:_DETAIL_CHARACTERS],
            "hop": self.hop,
            "at": _rfc3339(self.at_us),
            "position": self.position,
            "payload_bytes": self.size_bytes,
            "payload_sha256": self.digest,
        }
        if is_cut or self.is_cut:
            about["payload_truncated"] = True
        if self.is_moved:
            about["moved"] = True
        letter = {
            "dead_letter": about,
            "event_id": self.event_id,
            "dataset": self.dataset,
            "index": self.index,
            "payload_base64": base64.b64encode(self.payload[:payload_max_bytes]).decode("ascii"),
        }
        return json.dumps(letter, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(line: bytes) -> DeadLetter | None:
    """Return the letter of a line, or None if it is not one."""
    try:
        found = json.loads(line)
        about = found["dead_letter"]
        at = datetime.fromisoformat(about["at"])
        reason, detail, hop, position = (
            _clean(about[key]) for key in ("reason", "detail", "hop", "position")
        )
        event_id, dataset, index = (_clean(found[key]) for key in ("event_id", "dataset", "index"))
        return DeadLetter(
            reason,
            detail,
            hop,
            (at - _EPOCH) // datetime.resolution,
            position,
            event_id,
            dataset,
            index,
            base64.b64decode(found["payload_base64"], validate=True),
            bool(about.get("payload_truncated", False)),
            bool(about.get("moved", False)),
            int(about["payload_bytes"]) if "payload_bytes" in about else None,
            _clean(about.get("payload_sha256", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _clean(text: str) -> str:
    """Return text that can be encoded: JSON may hold half of a surrogate pair. Raises AttributeError: it is none."""
    return text.encode("utf-8", "replace").decode()


def is_truncated(line: bytes) -> bool:
    """Return whether this line is a letter whose payload is not the whole one."""
    letter = decode(line)
    return letter is not None and letter.is_cut


class DeadLetterTopic:
    """Writes dead letters; for one thread. It has a connection of its own, with a larger limit."""

    def __init__(self, settings: KafkaSettings, *, client_id: str = "shipper-dead-letters") -> None:
        self._topic = settings.dead_letter_topic
        self._producer = Producer(settings, client_id=client_id, max_message_bytes=max_letter_bytes(settings))

    def write(self, letters: Sequence[DeadLetter]) -> list[Outcome]:
        """Store all; return the outcome of each, in order. Never raises; blocks as `Producer.send` does."""
        outcomes = self._producer.send([self._message(letter, None) for letter in letters])
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, RecordTooLarge):
                # A topic made with smaller limits than ours: better a part and the digest than nothing.
                cut = self._message(letters[index], _CUT_BYTES)
                outcomes[index] = self._producer.send([cut])[0]
        return outcomes

    def _message(self, letter: DeadLetter, payload_max_bytes: int | None) -> Message:
        headers = (
            (EVENT_ID, letter.event_id.encode("utf-8", "replace")),
            (DATASET, letter.dataset.encode("utf-8", "replace")),
            (INDEX, letter.index.encode("utf-8", "replace")),
            (SCHEMA, SCHEMA_VERSION),
        )
        key = letter.event_id.encode("utf-8", "replace")
        return Message(self._topic, key, letter.encode(payload_max_bytes), headers)

    def close(self, timeout_s: float) -> None:
        """Let go of the connection within about `timeout_s` seconds."""
        self._producer.close(timeout_s)

    def abandon_in_child(self) -> None:
        """In a forked child: forget the parent's connection."""
        self._producer.abandon_in_child()


def _rfc3339(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
