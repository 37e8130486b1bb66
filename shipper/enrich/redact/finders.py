"""Which finders look at a text: each only where its own quick test says that it can find something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shipper.enrich.redact import addresses, national, numbers, tokens
from shipper.enrich.redact.announcements import find_announced
from shipper.enrich.redact.assignments import Classify, find_assignments
from shipper.enrich.redact.cuts import find_cut_ends
from shipper.enrich.redact.policy import Policy
from shipper.enrich.redact.prefilter import (
    CUT_MARK,
    Prefilter,
    may_hold_address,
    may_hold_number,
    may_hold_token,
    with_breaks,
    without_moments,
)
from shipper.enrich.redact.spans import MARK, Span
from shipper.enrich.redact.sql import find_sql
from shipper.enrich.redact.stored import find_stored, may_hold_stored

Find = Callable[[str, list[Span]], None]

_NUMBERS: Final[tuple[tuple[str, Find], ...]] = (
    ("card", numbers.find_cards),
    ("iban", numbers.find_ibans),
    ("id", national.find_national_ids),
    ("phone", numbers.find_phones),
)


class Finders:
    """The finders that a policy asks for."""

    __slots__ = ("_classify", "_numbers", "_off", "_policy", "_prefilter")

    def __init__(self, policy: Policy, classify: Classify, prefilter: Prefilter) -> None:
        self._policy = policy
        self._off = policy.off
        self._classify = classify
        self._numbers = [find for kind, find in _NUMBERS if kind not in policy.off]
        self._prefilter = prefilter

    def find(self, text: str) -> list[Span]:
        """Return everything that is found in `text`, unordered, also overlapping."""
        found: list[Span] = []
        original, text = text, with_breaks(text)
        if may_hold_token(text):
            tokens.find_tokens(text, found)
            national.find_tax_codes(text, found)
            if "-----" in text:
                tokens.find_private_keys(text, found)
        if may_hold_stored(text):
            find_stored(text, found)
        if may_hold_address(text):
            addresses.find_url_logins(text, found)
            addresses.find_emails(text, found)
        if may_hold_number(text):
            timeless = without_moments(text)
            for find in self._numbers:
                find(timeless, found)
        if self._prefilter.may_hold_assignment(text):
            tokens.find_http_credentials(text, found)
            find_assignments(text, self._classify, found)
            find_sql(text, self._classify, found)
            find_announced(text, self._classify, found)
        if CUT_MARK in text:
            find_cut_ends(text, found)
        self._find_on_request(text, found)
        return [span for span in found if span.kind not in self._off and not _is_done(original, span)]

    def is_hit_by_extra(self, text: str) -> bool:
        """Tell whether something that is found only on request is there."""
        found: list[Span] = []
        self._find_on_request(text, found)
        return bool(found)

    def _find_on_request(self, text: str, found: list[Span]) -> None:
        if self._policy.ip:
            addresses.find_ips(text, found)
        for pattern in self._policy.patterns:
            found.extend(Span(*match.span(), "custom") for match in pattern.finditer(text) if match[0])


def _is_done(text: str, span: Span) -> bool:
    """Tell whether a span is, or lies within, the mark of an earlier redaction."""
    if text.startswith(MARK, span.start):
        return _DONE.fullmatch(text, span.start, span.end) is not None
    before = text.rfind(MARK, max(0, span.start - 24), span.start)
    return (
        before >= 0
        and text.find("]", before, span.end) in (-1, span.end - 1)
        and "]" not in text[before : span.start]
    )


_DONE: Final = re.compile(r"\[redacted:[a-z\-]+\]?")
