"""Words that vary and do not look it (names of users, of hosts): found by comparing forms of the same length.

Idea: a set of forms of one length is split by the words of the column that has fewest, again and again, until every
column that still varies is a parameter: it holds a slot in some form, or at least `MOST_CHOICES` words. Two words in
one place (`started`, `stopped`) are two messages; dozens are a name. At least `LEAST_CONSTANT` of the words have to
stay, or the forms have nothing in common. The first word is never a parameter unless it was masked once.
A function of the set of forms: neither their order nor how often each was seen changes the answer.
Fails: a name with fewer values than `MOST_CHOICES` splits its message; a verb with more joins them. Messages whose
variable part has a varying number of words.
Cost: forms x tokens x depth; a form is looked at once per level.
Source: search for columns that vary, after IPLoM (Makanju, Zincir-Heywood, Milios, KDD 2009); the rule is our own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from shipper.detect.templates.forms import SIGNS, Form
from shipper.detect.templates.masking import SLOT

MOST_CHOICES: Final = 5
LEAST_CONSTANT: Final = 0.5
_NAMING: Final = frozenset({"user", "username", "account", "hostname", "named", "called"})
"""A word right behind one of these is a name, however few of them have come."""


def mined(forms: Collection[Form]) -> dict[Form, Form]:
    """Return the template of every form: the form itself, or one with slots that covers it and others."""
    by_length: dict[int, list[Form]] = {}
    for form in sorted(set(forms)):
        by_length.setdefault(len(form), []).append(form)
    return {
        form: template
        for length in by_length
        for alike in _split(by_length[length])
        for template in [_covering(alike)]
        for form in alike
    }


def covers(template: Form, form: Form) -> bool:
    """Whether the form is the template with something in its slots."""
    return len(template) == len(form) and all(
        mine in (its, SLOT) and (mine == its or its not in SIGNS)
        for mine, its in zip(template, form, strict=True)
    )


def _split(forms: list[Form]) -> Iterator[list[Form]]:
    """Part the forms, all of one length, into those of one template each."""
    waiting = [forms]
    while waiting:
        alike = waiting.pop()
        column = _deciding(alike) if len(alike) > 1 else None
        if column is None:
            yield alike
            continue
        parts: dict[str, list[Form]] = {}
        for form in alike:
            parts.setdefault(form[column], []).append(form)
        waiting += parts.values()


def _deciding(forms: list[Form]) -> int | None:
    """Return the column by which the forms are to be split, or None: they are one message."""
    columns = [set(column) for column in zip(*forms, strict=True)]
    varying = [place for place, words in enumerate(columns) if len(words) > 1]
    choices = [place for place in varying if not _is_parameter(columns, place)]
    if not choices:
        words = sum(not column & SIGNS for column in columns)
        constant = sum(
            len(column) == 1 and not column & SIGNS and SLOT not in next(iter(column)) for column in columns
        )
        if constant and constant >= LEAST_CONSTANT * words:
            return None
    return min(choices or varying, key=lambda place: (len(columns[place]), place))


def _is_parameter(columns: list[set[str]], place: int) -> bool:
    words, before = columns[place], columns[place - 1] if place else set()
    if words & SIGNS:
        return False
    is_named = len(before) == 1 and next(iter(before)).lower() in _NAMING
    return SLOT in words or is_named or (place > 0 and len(words) >= MOST_CHOICES)


def _covering(forms: list[Form]) -> Form:
    return tuple(column[0] if len(set(column)) == 1 else SLOT for column in zip(*forms, strict=True))
