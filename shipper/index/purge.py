"""Purge dead letters: their content out of the mirror at once, and out of the topic where Kafka can delete it.

Kafka deletes records only up to an offset. So the topic loses the letters in front of the first one that is not
purged, and nothing behind it: a letter that somebody may still want is never deleted with the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from shipper.index.letters import Selection, StoredLetter
from shipper.index.mirror import Act, LetterMirror, Mirrored

_LETTERS_AT_ONCE = 1000


def purge(
    letters: Iterable[StoredLetter],
    mirror: LetterMirror,
    selection: Selection,
    act: Act | None,
    counts: Counter[str],
    on_progress: Callable[[], None] = lambda: None,
) -> dict[int, int]:
    """Purge what is selected; return, per partition, the offset in front of which every letter is purged.

    Args:
        act: None: change nothing, only count.
        counts: kept up to date: `purged`, `already_purged`, `unreadable` (is no letter, so has no mirror) and
            `changed` (was refused again meanwhile, so it stays).

    Raises:
        StoreError: Elasticsearch does not answer; letters before that are purged.
    """
    ends: dict[int, int] = {}
    closed: set[int] = set()
    seen: set[str] = set()
    for bunch in _bunches(letters):
        gone = _purge_bunch(bunch, mirror, selection, act, counts, seen)
        for stored in bunch:
            if stored.letter_id not in gone:
                closed.add(stored.partition)
            elif stored.partition not in closed:
                ends[stored.partition] = stored.offset + 1
        on_progress()
    return ends


def _bunches(letters: Iterable[StoredLetter]) -> Iterable[list[StoredLetter]]:
    bunch: list[StoredLetter] = []
    for stored in letters:
        bunch.append(stored)
        if len(bunch) >= _LETTERS_AT_ONCE:
            yield bunch
            bunch = []
    if bunch:
        yield bunch


def _purge_bunch(
    bunch: Sequence[StoredLetter],
    mirror: LetterMirror,
    selection: Selection,
    act: Act | None,
    counts: Counter[str],
    seen: set[str],
) -> set[str]:
    """Return the ids of the letters of this bunch that are purged now (without an act: would be)."""
    if act is not None:
        mirror.store(bunch)
    states = mirror.states([stored for stored in bunch if stored.letter is not None])
    gone: set[str] = set()
    chosen: dict[str, StoredLetter] = {}
    for stored in bunch:
        is_new = stored.letter_id not in seen
        was = states.get(stored.letter_id)
        if stored.letter is None:
            # Whatever this is, it has no content that we would know how to keep: it goes with those around it.
            is_meant = selection.takes(stored)
            counts["unreadable"] += is_meant and is_new
            gone.update([stored.letter_id] if is_meant else [])
        elif was is not None and was.state == "purged":
            counts["already_purged"] += is_new and selection.takes(stored)
            gone.add(stored.letter_id)
        elif selection.takes(stored):
            chosen[stored.letter_id] = stored
        seen.add(stored.letter_id)
    return gone | _purge_chosen(chosen, states, mirror, act, counts)


def _purge_chosen(
    chosen: Mapping[str, StoredLetter],
    states: Mapping[str, Mirrored],
    mirror: LetterMirror,
    act: Act | None,
    counts: Counter[str],
) -> set[str]:
    if act is None:
        counts["purged"] += len(chosen)
        return set(chosen)
    done = mirror.purge([(stored, states[name]) for name, stored in chosen.items() if name in states], act)
    counts["purged"] += done
    if done < len(chosen):
        # Somebody changed one meanwhile: see which, rather than delete what is open again.
        now = mirror.states(chosen.values())
        counts["changed"] += len(chosen) - done
        return {name for name in chosen if name in now and now[name].state == "purged"}
    return set(chosen)
