"""The books of a run: each logging call that returned is found once, or a dead letter, or counted as dropped. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Account, message_of


@dataclass(frozen=True, slots=True)
class Found:
    """One stored document, or one dead letter.

    Attributes:
        place: `<index>/<_id>`, or the place on the dead-letter topic, a space, and the letter's event id.
        event_id: what it says itself.
        token, message: of the logging call; "" where it has none.
    """

    place: str
    event_id: str
    token: str
    message: str


@dataclass(slots=True)
class Balance:
    """The result.

    Attributes:
        returned: logging calls that returned.
        stored, dead, dropped: of these, where they ended.
        in_progress: found records whose call had not returned when its process died.
        missing: tokens that are nowhere, beyond the counted drops of their process.
        doubled: tokens with more than one document, with the places.
        false: records that nobody logged, or not so.
        miscounted: processes whose counted drops are more than what is missing of them.
    """

    returned: int = 0
    stored: int = 0
    dead: int = 0
    dropped: int = 0
    in_progress: int = 0
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)

    @property
    def is_balanced(self) -> bool:
        """Whether the set of ids in equals the set of ids accounted for."""
        return not (self.missing or self.doubled or self.false or self.miscounted)

    def __str__(self) -> str:
        return (
            f"{self.returned} calls returned = {self.stored} stored + {self.dead} dead letters + {self.dropped} dropped "
            f"+ {len(self.missing)} missing; {self.in_progress} more whose call was cut off; "
            f"{len(self.doubled)} doubled, {len(self.false)} false, {len(self.miscounted)} miscounted"
        )


def balance(
    accounts: Sequence[Account],
    stored: Iterable[Found],
    dead: Iterable[Found],
    torn_evictions: Mapping[str, int],
) -> Balance:
    """Return the balance.

    Args:
        torn_evictions: per process, the records of evictions that it may have died in: explained by its
            tombstones on the disk, not counted in its ledger any more.
    """
    result = Balance()
    by_writer = {account.writer: account for account in accounts}
    documents: dict[str, list[str]] = defaultdict(list)
    letters: set[str] = set()
    for found in stored:
        if _is_true(found, by_writer, result):
            documents[found.token].append(found.place)
    for found in dead:
        if _is_true(found, by_writer, result):
            letters.add(found.token)
    result.doubled = [
        f"{token} in {', '.join(sorted(places))}" for token, places in documents.items() if len(places) > 1
    ]
    result.doubled += [f"{token} stored and a dead letter" for token in letters & documents.keys()]
    by_life: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        by_life[account.life].append(account)
    for life, own in by_life.items():
        _close(life, own, documents.keys() | letters, torn_evictions.get(life, 0), result)
    fates = Counter(
        _number(token) <= by_writer[_writer(token)].returned for token in documents.keys() | letters
    )
    result.in_progress = fates[False]
    known = {
        token for token in documents.keys() | letters if _number(token) <= by_writer[_writer(token)].returned
    }
    result.dead = len(known & letters - documents.keys())
    result.stored = len(known) - result.dead
    return result


def drops_told(
    accounts: Sequence[Account], torn_evictions: Mapping[str, int], dropped: int, told: Mapping[str, int]
) -> list[str]:
    """Return where the drops that `shipper reconcile` tells are not those of the ledgers.

    Args:
        torn_evictions: as in `balance`.
        dropped: calls that are nowhere, which the processes' own counts explain.
        told: by reason.
    """
    by_life: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        by_life[account.life].append(account)
    refused = sum(max(account.refused for account in own) for own in by_life.values())
    evicted = sum(max(account.evicted for account in own) for own in by_life.values())
    # Whoever gave up anything may have done so once more: in a call that was cut off, or with a record of its own.
    later = sum(
        len(own) + 1 for own in by_life.values() if any(account.refused or account.evicted for account in own)
    )
    told_evicted = told.get("evicted", 0)
    told_refused = sum(told.values()) - told_evicted
    words = f"the ledgers {refused} refused and {evicted} evicted, `shipper reconcile` {dict(told)}"
    problems = []
    if not refused <= told_refused <= refused + later:
        problems.append(f"refused records: {words}")
    # Of those that were evicted some had been delivered; those of the last instant are in no ledger.
    if told_evicted > evicted + sum(torn_evictions.values()):
        problems.append(f"evicted records: {words}")
    if told_refused + told_evicted < dropped:
        problems.append(f"{dropped} records are nowhere: {words}")
    return problems


def _is_true(found: Found, by_writer: Mapping[str, Account], result: Balance) -> bool:
    """Whether somebody logged this, just so; what is not true is noted."""
    account = by_writer.get(_writer(found.token))
    if account is None or not found.token.rpartition("/")[2].isdecimal():
        result.false.append(f"{found.place}: nobody logged {found.token!r} ({found.message[:60]!r})")
    elif not 1 <= _number(found.token) <= account.returned + 1:
        result.false.append(
            f"{found.place}: {found.token} was never logged; {account.returned} calls returned"
        )
    elif found.message != message_of(found.token):
        result.false.append(f"{found.place}: {found.token} has another message: {found.message[:120]!r}")
    elif not found.place.endswith((f"/{found.event_id}", f" {found.event_id}")):
        result.false.append(f"{found.place}: {found.token} says that it is {found.event_id}")
    else:
        return True
    return False


def _close(life: str, accounts: Sequence[Account], found: set[str], torn: int, result: Balance) -> None:
    """Balance one process: what is missing against what it counted as dropped."""
    absent = [
        f"{account.writer}/{number}"
        for account in accounts
        for number in range(1, account.returned + 1)
        if f"{account.writer}/{number}" not in found
    ]
    result.returned += sum(account.returned for account in accounts)
    refused = max(account.refused for account in accounts)
    evicted = max(account.evicted for account in accounts)
    if len(absent) > refused + evicted + torn:
        # Which of them were dropped rightly cannot be told: all are shown.
        result.missing += absent
        return
    result.dropped += len(absent)
    own = max(account.own for account in accounts)
    if len(absent) < refused - own:
        result.miscounted.append(
            f"{life}: {refused} refused, {evicted} evicted, but only {len(absent)} are missing"
        )


def _writer(token: str) -> str:
    return token.rpartition("/")[0]


def _number(token: str) -> int:
    return int(token.rpartition("/")[2])
