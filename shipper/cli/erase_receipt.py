"""What `shipper erase` says at its end: counts, places that were not reached, and what Kafka still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipper.index.erase_topic import Held
    from shipper.index.erase_writes import Erasing


@dataclass
class Receipt:
    """What was done, or would be; names nobody."""

    is_dry: bool
    erasures: list[str]
    pseudonyms: list[str]
    erasing: Erasing | None = None
    letters: Counter[str] = field(default_factory=Counter)
    held: Held | None = None
    is_kafka_asked: bool = True
    is_settled: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left that could have been erased."""
        return self.is_settled and self.is_kafka_asked and not (self.erasing and self.erasing.problems)

    def counts(self) -> Counter[str]:
        """All counts together."""
        return self.letters + (self.erasing.total() if self.erasing else Counter())


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """Return the receipt for scripts."""
    erasing, held = receipt.erasing, receipt.held
    return {
        "dry_run": receipt.is_dry,
        "whole": receipt.is_whole,
        "erasures": receipt.erasures,
        "pseudonyms": receipt.pseudonyms,
        "counts": dict(receipt.counts()),
        "indices": {index: dict(counts) for index, counts in sorted(erasing.by_index.items())}
        if erasing
        else {},
        "looked_at": erasing.looked_at if erasing else 0,
        "dead_letter_topic": dict(receipt.letters),
        "problems": [f"{index}: {text}" for index, text in sorted(erasing.problems.items())]
        if erasing
        else [],
        "kafka": None
        if held is None
        else {
            "topic": held.topic,
            "records": held.count,
            "refused": held.refused,
            "retention_ms": held.retention_ms,
            "read_by_logstash": held.is_by_logstash,
        },
    }


def receipt_lines(receipt: Receipt) -> Iterator[str]:
    """Yield the receipt for a person."""
    if not receipt.erasures:
        yield "The list of erasures is empty; there is nothing to sweep."
        return
    erasing = receipt.erasing
    would = "would be " if receipt.is_dry else ""
    yield f"Erasure {', '.join(receipt.erasures)}, by {len(receipt.pseudonyms)} pseudonyms:"
    for index, counts in sorted(erasing.by_index.items()) if erasing else ():
        told = ", ".join(f"{count} {_WORDS.get(word, word)}" for word, count in sorted(counts.items()))
        yield f"  {index}: {would}{told}"
    letters = receipt.letters["letters"]
    if letters:
        yield f"  dead-letter topic: {would}{letters} deleted"
    if not receipt.counts():
        yield "  nothing was found" + ("" if receipt.held and receipt.held.count else _HINT)
    for index, text in sorted(erasing.problems.items()) if erasing else ():
        yield f"  {index} was not reached: {text}"
    yield from _kafka_lines(receipt)
    if receipt.is_dry:
        yield "Nothing was changed; --yes erases."
    elif receipt.is_whole and not receipt.counts():
        yield "The list of erasures has this person: what is from before now is not stored any more."
    elif receipt.is_whole:
        yield "Their places are taken and the list of erasures has them: no replay stores these records again."
    else:
        yield "Not everything could be reached; what is said above mends it, then run this again."


_WORDS = {
    "deleted": "deleted",
    "kept_out": "on their way and kept out",
    "rewritten": "rewritten without the pseudonym",
    "emptied": "emptied",
    "gone": "gone already",
    "changed": "changed meanwhile, so looked at again",
    "refused": "refused",
}
_HINT = "; only user.id and what redact.pseudonyms names is kept as a pseudonym"
_DAY_MS = 86_400_000


def _kafka_lines(receipt: Receipt) -> Iterator[str]:
    if not receipt.is_kafka_asked:
        yield "Kafka was left alone: its dead letters are not erased, and what is on its way may be stored yet."
    held = receipt.held
    if held is None:
        return
    if not held.count:
        yield f"The topic {held.topic} holds no record of this person among its {held.looked_at}."
    elif held.retention_ms < 0:
        yield (
            f"The topic {held.topic} still holds {held.count} records and keeps them for ever; Kafka deletes no "
            "single record: give the topic a retention.ms."
        )
    else:
        days = held.retention_ms / _DAY_MS
        yield (
            f"The topic {held.topic} still holds {held.count} records until its retention of {days:.3g} days is over; "
            f"{'their places would be taken' if receipt.is_dry else 'nobody who reads it again stores them'}."
        )
    if held.is_by_logstash:
        yield from _logstash_lines(held)


def _logstash_lines(held: Held) -> Iterator[str]:
    yield (
        "Logstash reads this topic and does not know the list of erasures: what a host held back until now and ships "
        "later it stores, and `shipper erase --sweep --yes` takes it out."
    )
    if held.refused:
        yield (
            f"{held.refused} of these records no index takes: if Logstash reads the topic from its beginning they are "
            "dead letters again, and a sweep takes them out."
        )
