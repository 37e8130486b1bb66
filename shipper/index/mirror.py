"""The mirror of the dead-letter topic in Elasticsearch: one document per record that was refused.

The topic holds the original bytes and every refusal; the mirror holds what a person may look at (redacted, cut) and
what became of the letter: open, replayed, purged. A document's id follows from the record, so that a letter that is
read twice, or a record that is refused again, is still one document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson

from shipper.datasets import dead_letter_index, namespace_of
from shipper.elastic.answers import ItemAnswer
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused, StoreUnavailable
from shipper.index.erasures import NOBODY, Erased
from shipper.index.fate import Fate, judge
from shipper.index.letters import StoredLetter, names_erased
from shipper.index.moment import rfc3339
from shipper.kafka.dead_letters import DeadLetter

LetterState = Literal["open", "replayed", "purged"]
Redact = Callable[[bytes], str]
"""Turns original bytes into a text that may be shown."""

SHOWN_CHARACTERS: Final = 32 << 10
REDACTED_BYTES: Final = 1 << 20
"""Larger payloads are not redacted, so nothing of them is shown: a part could end in the middle of a secret."""
_DETAIL_CHARACTERS: Final = 2000
_OF_ACTS: Final = ("replays", "acted", "acted_to")
_KEPT: Final = (
    "reason",
    "hop",
    "index",
    "place",
    "payload_bytes",
    "payload_sha256",
    "replays",
    "acted",
    "acted_to",
)
NO_ACT: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A letter's document as it was read.

    Attributes:
        refused: time of the refusal that it tells of, RFC 3339.
        seq_no, primary_term: make a later write conditional on it.
    """

    state: LetterState
    refused: str
    seq_no: int
    primary_term: int
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """When letters are replayed or purged.

    Attributes:
        now_us: microseconds since the epoch.
        ends: end of each partition of the dead-letter topic when the act began: a refusal that was written before
            it is settled by it, a later one opens the letter again. (Times of different machines cannot tell.)
    """

    now_us: int
    ends: Mapping[int, int]

    def fields(self, stored: StoredLetter) -> dict[str, Any]:
        """Return what a letter's document keeps of the act."""
        return {"acted": rfc3339(self.now_us), "acted_to": self.ends.get(stored.partition, 0)}


class LetterMirror:
    """Writes and reads the mirror. Methods raise `StoreUnavailable` and `RequestRefused`.

    Args:
        namespace: for letters that do not name an index.
        erased: asked whose letters are mirrored without their content.
    """

    def __init__(
        self,
        client: ElasticClient,
        namespace: str,
        redact: Redact,
        erased: Callable[[], Erased] = lambda: NOBODY,
    ) -> None:
        self._client = client
        self._erased = erased
        self._namespace = namespace
        self._redact = redact

    def index_of(self, stored: StoredLetter) -> str:
        """Return the mirror index that a letter belongs into."""
        named = "" if stored.letter is None else namespace_of(stored.letter.index)
        return dead_letter_index(named or self._namespace)

    def store(self, letters: Sequence[StoredLetter]) -> list[str]:
        """Mirror letters; a repeat changes nothing, and one that tells of a later refusal opens the letter again.

        Returns:
            One sentence for each that the server refuses for good.
        """
        newest = {stored.letter_id: stored for stored in letters if stored.letter is not None}
        wanted = list(newest.values())
        if not wanted:
            return []
        answers = self._bulk(
            [
                ({"create": {"_index": self.index_of(one), "_id": one.letter_id}}, self._document(one))
                for one in wanted
            ]
        )
        problems: list[str] = []
        known: list[StoredLetter] = []
        for stored, answer in zip(wanted, answers, strict=True):
            verdict = judge(answer)
            if verdict.fate is Fate.DUPLICATE:
                known.append(stored)
            elif verdict.fate is Fate.RETRY:
                raise StoreUnavailable(self._client.url, verdict.detail)
            elif verdict.fate is Fate.DEAD_LETTER:
                problems.append(f"the dead letter at {stored.place} cannot be mirrored: {verdict.detail}")
        self._reopen(known)
        return problems

    def _reopen(self, letters: Sequence[StoredLetter]) -> None:
        present = self.states(letters)
        rows: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
        for stored in letters:
            was = present.get(stored.letter_id)
            if was is None or not _is_news(stored, was):
                continue
            document = self._document(stored)
            kept = was.source["dead_letter"]
            document["dead_letter"] |= {name: kept[name] for name in _OF_ACTS if name in kept}
            rows.append((self._conditional("index", stored, was), document))
        # A conflict: somebody else mirrored the same refusal, or a later one.
        self._bulk(rows)

    def states(self, letters: Iterable[StoredLetter]) -> dict[str, Mirrored]:
        """Return what is mirrored of these letters as of now, by letter id; those without a document are left out."""
        wanted = [{"_index": self.index_of(one), "_id": one.letter_id} for one in letters]
        if not wanted:
            return {}
        answer = self._client.request("POST", "/_mget", body=orjson.dumps({"docs": wanted}))
        return {
            row["_id"]: Mirrored(
                row["_source"]["dead_letter"]["state"],
                row["_source"]["@timestamp"],
                row["_seq_no"],
                row["_primary_term"],
                row["_source"],
            )
            for row in answer["docs"]
            if row.get("found")
        }

    def mark_replayed(self, letters: Sequence[tuple[StoredLetter, Mirrored]], act: Act) -> int:
        """Mark letters as replayed, unless they were refused again meanwhile; return how many were marked."""
        rows = []
        for stored, was in letters:
            replays = int(was.source["dead_letter"].get("replays", 0)) + 1
            change = {"state": "replayed", "replays": replays, **act.fields(stored)}
            rows.append((self._conditional("update", stored, was), {"doc": {"dead_letter": change}}))
        return self._count_done(rows)

    def purge(self, letters: Sequence[tuple[StoredLetter, Mirrored]], act: Act) -> int:
        """Take the content out of letters' documents; what stays says that there was one (the books need it)."""
        rows = []
        for stored, was in letters:
            stub = purged_source(was.source, act.fields(stored))
            rows.append((self._conditional("index", stored, was), stub))
        return self._count_done(rows)

    def refresh(self) -> None:
        """Make all that was written visible to searches."""
        self._client.refresh(dead_letter_index("*"))

    def _count_done(self, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        done = 0
        for answer in self._bulk(rows):
            verdict = judge(answer)
            done += verdict.fate is Fate.INDEXED
            if verdict.fate is Fate.RETRY:
                raise StoreUnavailable(self._client.url, verdict.detail)
            if verdict.fate is Fate.DEAD_LETTER:
                raise RequestRefused(answer.status, verdict.detail)
        return done

    def _bulk(self, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[ItemAnswer]:
        if not rows:
            return []
        lines = [line for row in rows for part in row for line in (orjson.dumps(part), b"\n")]
        answers = self._client.bulk(b"".join(lines))
        if len(answers) != len(rows):
            raise StoreUnavailable(self._client.url, f"{len(answers)} answers for {len(rows)} documents")
        return answers

    def _conditional(self, action: str, stored: StoredLetter, was: Mirrored) -> dict[str, Any]:
        return {
            action: {
                "_index": self.index_of(stored),
                "_id": stored.letter_id,
                "if_seq_no": was.seq_no,
                "if_primary_term": was.primary_term,
            }
        }

    def _document(self, stored: StoredLetter) -> dict[str, Any]:
        letter = stored.letter
        assert letter is not None  # noqa: S101  # callers pass letters only
        document = self._whole_document(letter, stored.place)
        return purged_source(document) if names_erased(letter, self._erased()) else document

    def _whole_document(self, letter: DeadLetter, place: str) -> dict[str, Any]:
        is_large = len(letter.payload) > REDACTED_BYTES
        shown = "Too large to be shown here." if is_large else self._redact(letter.payload)
        is_short = len(shown) <= SHOWN_CHARACTERS
        return {
            "@timestamp": rfc3339(letter.at_us),
            "message": f"{letter.hop} refused a record: {letter.reason}",
            "log": {"level": "warning"},
            **_identity(letter),
            "dead_letter": {
                "state": "open",
                "reason": letter.reason,
                "detail": self._redact(letter.detail.encode("utf-8", "replace"))[:_DETAIL_CHARACTERS],
                "hop": letter.hop,
                "index": letter.index,
                "position": letter.position,
                "place": place,
                "payload": shown if is_short else f"{shown[:SHOWN_CHARACTERS]}…",
                "payload_bytes": letter.size_bytes,
                "payload_sha256": letter.digest,
                "is_cut": letter.is_cut,
            },
        }


def purged_source(source: Mapping[str, Any], act: Mapping[str, Any] = NO_ACT) -> dict[str, Any]:
    """Return what is left of a letter's document without its content: that there was one, for the books.

    Args:
        act: see `Act.fields`.
    """
    about = source.get("dead_letter", {})
    kept = {name: about[name] for name in _KEPT if name in about}
    return {
        **{name: source[name] for name in ("@timestamp", "event", "agent", "log") if name in source},
        "message": "A dead letter was purged.",
        "dead_letter": {**kept, "state": "purged", **act},
    }


def _is_news(stored: StoredLetter, was: Mirrored) -> bool:
    """Return whether a letter tells of a refusal that the document does not know of."""
    if stored.letter is None:
        return False
    refused, about = rfc3339(stored.letter.at_us), was.source["dead_letter"]
    if was.state == "open":
        return refused > was.refused
    if stored.letter.is_moved:
        # It lies behind the act only because it was put there again.
        return refused > str(about.get("acted", ""))
    return stored.offset >= int(about.get("acted_to", 0)) or refused > str(about.get("acted", ""))


def _identity(letter: DeadLetter) -> dict[str, Any]:
    event: dict[str, Any] = {"kind": "state", "id": letter.event_id}
    if letter.dataset:
        event["dataset"] = letter.dataset
    producer_id, _, sequence = letter.event_id.rpartition("-")
    if not producer_id or not sequence.isdecimal() or len(sequence) > 18:
        return {"event": event}
    return {"event": {**event, "sequence": int(sequence)}, "agent": {"ephemeral_id": producer_id}}
