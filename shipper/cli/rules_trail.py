"""Rules that have changed since they were last used: told in the audit trail by whoever uses them first.

Rules live in a file that anybody may edit with anything, so the change itself cannot be caught; its first effect can.
Who changed the file is said as far as the file tells: its owner, and when it was written. What keeps rules silent, the
maintenance of one rule or of all, is an act of its own (`rules-silence`), with the times as the file says them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.detect.rules.rule import RuleSet
    from shipper.elastic.client import ElasticClient

_ID: Final = "rules-in-use"
_NAMED_MAX: Final = 20
_ALL: Final = "all rules"
_BUDGET: Final = "the budget of false alarms"
"""Stands among the ids of rules, none of which has a blank: all rules share it."""


def tell_changed_rules(settings: Settings, client: ElasticClient, rules: RuleSet, file: Path | None) -> None:
    """Store which rules are in use; where others were before, say so in the audit trail first.

    Raises:
        StoreError: Elasticsearch does not answer, or refuses.
    """
    from shipper.cli.audited import act_of, trail_of
    from shipper.detect.state import ensure_state_index, state_index
    from shipper.errors import RequestRefused

    ensure_state_index(client, settings.namespace)
    index = state_index(settings.namespace)
    stored = client.get(index, _ID)
    body: Mapping[str, Any] = {} if stored is None else stored.source.get("body", {})
    now = {"rules": _digests(rules), "silence": _silences(rules)}
    if stored is not None and all(body.get(word, {}) == found for word, found in now.items()):
        return
    for action, word in (("rules-change", "rules"), ("rules-silence", "silence")):
        changes = _changes(body.get(word, {}), now[word])
        # Of the first use of rules everything is told, also that they were none before.
        if any(changes.values()) or (stored is None and word == "rules"):
            act = act_of(settings, action, f"{_said(changes)}{_of_file(file)}")
            counts = {kind: len(ids) for kind, ids in changes.items()}
            trail_of(settings, client).tell(act, "change", counts)
    source: dict[str, Any] = {"kind": "rules", "name": _ID, "body": now}
    try:
        if stored is None:
            client.create(index, _ID, source)
        else:
            client.put(index, _ID, source, unless_changed_since=stored)
    except RequestRefused as error:
        if error.status != 409:  # else another job told the same
            raise


def _digests(rules: RuleSet) -> dict[str, str]:
    """Return what tells one form of a rule from another, by its id: all but when it is silent."""
    found = {rule.id: _digest(rule.model_dump(mode="json", exclude={"maintenance"})) for rule in rules.rules}
    return found | {_BUDGET: _digest({_BUDGET: rules.false_alarms})}


def _silences(rules: RuleSet) -> dict[str, str]:
    """Return each time in which rules are silent, as a sentence, and what tells it from others."""
    said = [(_ALL, one) for one in rules.maintenance]
    said += [(rule.id, one) for rule in rules.rules for one in rule.maintenance]
    written = [f"{whose} {_in_words(one.as_written())}" for whose, one in said]
    return {text: _digest({"text": text}) for text in written}


def _in_words(written: Mapping[str, Any]) -> str:
    if "start" in written:
        times = f"from {written['start']} to {written['end']}"
    else:
        times = f"every {written['every']} at {written['at']} for {written['lasts']}"
    group = "".join(f", {name}={value}" for name, value in written.get("group", {}).items())
    return f"{times}{group}{': ' if 'reason' in written else ''}{written.get('reason', '')}"


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        "added": sorted(now.keys() - before.keys()),
        "removed": sorted(before.keys() - now.keys()),
        "changed": sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
    }


def _said(changes: Mapping[str, list[str]]) -> str:
    parts = []
    for word, ids in changes.items():
        more = f" and {len(ids) - _NAMED_MAX} more" if len(ids) > _NAMED_MAX else ""
        parts += [f"{word} {', '.join(ids[:_NAMED_MAX])}{more}"] if ids else []
    return "; ".join(parts) or "the same rules in another order"


def _of_file(file: Path | None) -> str:
    from shipper.ecs.timestamps import iso_timestamp

    if file is None:
        return ""
    try:
        found = file.stat()
        owner = file.owner()
    except (OSError, KeyError):
        return f" ({file})"
    return f" ({file}, written {iso_timestamp(round(found.st_mtime * 1e6))}, owner {owner})"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
