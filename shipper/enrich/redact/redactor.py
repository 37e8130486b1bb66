"""The redaction: texts, names and whole documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from shipper.enrich.redact.finders import Finders
from shipper.enrich.redact.fold import folded
from shipper.enrich.redact.names import NameClass, classify
from shipper.enrich.redact.policy import Policy
from shipper.enrich.redact.prefilter import Prefilter
from shipper.enrich.redact.pseudonym import Keyring
from shipper.enrich.redact.spans import Span, marked, merged, replaced
from shipper.enrich.redact.treatments import FieldClass, Treatments
from shipper.enrich.redact.walk import redact_tree
from shipper.treatment import Treatment

_MARKS: Final = re.compile(r"\[redacted:[a-z\-]+\]")
_ROUNDS: Final = 4
_MOST_REMEMBERED: Final = 2048
_LONGEST_REMEMBERED: Final = 256


class Redactor:
    """Takes secrets and personal data out of documents. Total, and linear in time; safe on threads.

    Args:
        fields: type and privacy class of each declared field by its dotted name.
        policy: what is looked for.
        keyring: keys of pseudonyms; None: what would become a pseudonym is masked.

    Attributes:
        counts: how often something of a kind was replaced.
    """

    __slots__ = (
        "_clean",
        "_finders",
        "_keyring",
        "_names",
        "_policy",
        "_prefilter",
        "_treatments",
        "_unchanged",
        "counts",
    )

    def __init__(
        self, fields: Mapping[str, FieldClass], policy: Policy | None = None, keyring: Keyring | None = None
    ) -> None:
        self._policy = policy or Policy()
        self._keyring = keyring
        self._names: dict[str, NameClass] = {}
        self._treatments = Treatments(
            fields, self._policy, keyring is not None, self.name_class, self._is_clean_name
        )
        named = (*self._policy.keys, *self._policy.allowed)
        has_digits = any(letter.isdigit() for name in named for letter in name)
        self._prefilter = Prefilter(self.name_class, tells_digits_apart=has_digits)
        self._finders = Finders(self._policy, self.name_class, self._prefilter)
        self._clean: set[str] = set()
        self._unchanged: set[str] = set()
        self.counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Redactor(pseudonyms={self._keyring!r})"

    def treatment(self, path: str, /) -> Treatment:
        """Return what happens to the value at a dotted document path; remembered for some thousand paths."""
        return self._treatments.of(path)

    def name_class(self, name: str, /) -> NameClass:
        """Return what a name says of its value, with the further and allowed names of the policy."""
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= _MOST_REMEMBERED:
                self._names.clear()
            known = self._names[name] = self._classified(name)
        return known

    def _classified(self, name: str) -> NameClass:
        name = _MARKS.sub("", name)  # a name that was redacted tells nothing of its value
        plain = _plain(name)
        last = _plain(name.rpartition(".")[2])
        if plain in self._policy.allowed or last in self._policy.allowed:
            return NameClass.FREE
        if plain in self._policy.keys or last in self._policy.keys:
            return NameClass.SECRET
        return classify(name)

    def is_clean(self, text: str, /) -> bool:
        """Tell quickly whether `text` certainly holds nothing to redact; True implies `scan(text) == text`.

        `is_clean(a + "\\n" + b)` implies `is_clean(a)` and `is_clean(b)`. Verdicts on short texts are remembered.
        """
        if text in self._clean:
            return True
        plain = text if text.isascii() else folded(text)
        if not self._prefilter.is_clean(plain) or self._finders.is_hit_by_extra(plain):
            return False
        if plain is not text and plain != text and not self._prefilter.is_clean(text):
            return False
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self._clean) >= _MOST_REMEMBERED:
                self._clean.clear()
            self._clean.add(text)
        return True

    def scan(self, text: str, /) -> str:
        """Return `text` with secrets and personal data replaced; scanning the result changes nothing more."""
        try:
            return text if text in self._unchanged or self.is_clean(text) else self._scanned(text)
        except Exception:  # noqa: BLE001 - a mistake of ours must let nothing through
            self._count("failed")
            return marked("text")

    def _scanned(self, text: str) -> str:
        present = text
        for _ in range(_ROUNDS):
            following = self._once(present)
            if following == present:
                if present is text and len(text) <= _LONGEST_REMEMBERED:
                    self._remember_unchanged(text)
                return present
            present = following
        return marked("text")  # what keeps changing is not understood: none of it is let through

    def explain(self, text: str, /) -> list[Span]:
        """Return what the first pass over `text` finds, in order and without overlap; for the command and for tests."""
        return merged(self._finders.find(text)) or merged(self._finders.find(folded(text)))

    def mask(self, path: str, text: str = "", /) -> str:
        """Return what stands in place of a text whose treatment is MASK."""
        if not text or text.startswith("[redacted:"):
            return text if text.endswith("]") else marked("secret") if text else text
        kind = "personal" if self.name_class(path) is NameClass.PERSONAL else "secret"
        self._count(kind)
        return marked(kind)

    def pseudonym(self, text: str, /) -> str:
        """Return what stands in place of a text whose treatment is PSEUDONYM."""
        if self._keyring is None:
            self._count("personal")
            return marked("personal")
        self._count("pseudonym")
        return self._keyring.pseudonym(text)

    def apply(self, tree: dict[str, Any], /) -> None:
        """Redact a whole nested document in place, names included."""
        redact_tree(self, tree)

    def _once(self, text: str) -> str:
        spans = merged(self._finders.find(text))
        if not text.isascii():
            other = folded(text)
            if other != text:
                hidden = merged(self._finders.find(other))
                if len(other) == len(text):
                    spans = merged([*spans, *hidden])
                elif sum(span.end - span.start for span in hidden) > sum(
                    span.end - span.start for span in spans
                ):
                    text, spans = other, hidden
        for span in spans:
            self._count(span.kind)
        return replaced(text, spans) if spans else text

    def _count(self, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def _remember_unchanged(self, text: str) -> None:
        if len(self._unchanged) >= _MOST_REMEMBERED:
            self._unchanged.clear()
        self._unchanged.add(text)

    def _is_clean_name(self, name: str) -> bool:
        return self.scan(name) == name


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()
