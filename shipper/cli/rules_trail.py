"""Rules that have changed since they were last used: told in the audit trail by whoever uses them first.

Rules live in a file that anybody may edit with anything, so the change itself cannot be caught; its first effect can.
Who changed the file is said as far as the file tells: its owner, and when it was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.detect.rules import RuleSet
    from shipper.elastic.client import ElasticClient

_ID: Final = "rules-in-use"
_NAMED_MAX: Final = 20


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
    now = {rule.id: _digest(rule.model_dump(mode="json")) for rule in rules.rules}
    before: Mapping[str, str] = {} if stored is None else stored.source.get("body", {}).get("rules", {})
    if stored is not None and before == now:
        return
    changes = _changes(before, now)
    act = act_of(settings, "rules-change", f"{_said(changes)}{_of_file(file)}")
    trail_of(settings, client).tell(act, "change", {word: len(ids) for word, ids in changes.items()})
    source: dict[str, Any] = {"kind": "rules", "name": _ID, "body": {"rules": now}}
    try:
        if stored is None:
            client.create(index, _ID, source)
        else:
            client.put(index, _ID, source, unless_changed_since=stored)
    except RequestRefused as error:
        if error.status != 409:  # else another job told the same
            raise


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
