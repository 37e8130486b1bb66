"""Records of a certain message or with certain fields, counted per window for rules of kind message.

The message is text, split into words by Elasticsearch; what a rule says of it becomes conditions on words, so case and
punctuation play no part and no record has to be read:

| a rule says | meant is |
|---|---|
| `nightly training done` | these words, one after the other, anywhere in the message |
| `disk <*> is full` | the parts around each `<*>` in this order, whatever stands between: a template as alerts show it |
| `nightly train*` | the last word need only begin so |
"""

from __future__ import annotations

import re
from typing import Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.occurrences import Occurrences
from shipper.detect.fetching.query import CellQuery, Condition, terms_conditions
from shipper.detect.rules.message_rule import MessageRule
from shipper.detect.templates.masking import SLOT

_GAP: Final = re.compile(rf"[^\s=,;()\[\]{{}}|\"<>]*{re.escape(SLOT)}[^\s=,;()\[\]{{}}|\"<>]*")
"""A slot with what is left of the word around it: of half a word nothing is known."""

_MOST_ENDINGS: Final = 1000
"""Different words that begin as the last one does; of more, the first in the alphabet are found."""


def occurrences(rule: MessageRule) -> Occurrences:
    """Return the detector of a rule."""
    fewest = rule.fewer_than if rule.fewer_than is not None else 0
    return Occurrences(rule.most, fewest, rule.length, rule.window, rule.meant)


def message_query(rule: MessageRule, namespace: str) -> CellQuery:
    """Return what a rule of kind message asks: all events, and those that are meant."""
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=tuple(terms_conditions(rule.filter)),
        group_by=rule.group_by,
        window_us=rule.window,
        parts={"meant": {"filter": {"bool": {"filter": list(meant_conditions(rule))}}}},
        buckets=1,
        read=_read,
    )


def meant_conditions(rule: MessageRule) -> tuple[Condition, ...]:
    """Return what the records that are meant have in common."""
    return (*terms_conditions(rule.match), *message_conditions(rule.message))


def message_conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions that a message holds the words of a text; see the module."""
    parts = [part.strip() for part in _GAP.split(text)]
    last = parts[-1] if parts[-1].endswith("*") else ""
    words = [part.rstrip("*").strip() for part in parts]
    runs = [one for one in words if one]
    found: list[Condition] = []
    if last:
        found.append(
            {"match_phrase_prefix": {"message": {"query": words[-1], "max_expansions": _MOST_ENDINGS}}}
        )
        # In order with what stands before it are the words that are known whole.
        whole = words[-1].rpartition(" ")[0]
        runs = [one for one in (*words[:-1], whole) if one] if len(parts) > 1 else []
    if runs:
        exact = [{"match": {"query": one, "ordered": True, "max_gaps": 0}} for one in runs]
        rule = exact[0] if len(exact) == 1 else {"all_of": {"ordered": True, "intervals": exact}}
        found.append({"intervals": {"message": rule}})
    return tuple(found)


def _read(bucket: JsonObject) -> dict[str, float]:
    return {"events": float(bucket["doc_count"]), "meant": float(bucket["meant"]["doc_count"])}
