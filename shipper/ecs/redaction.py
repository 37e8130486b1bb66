"""What the encoder asks of a redaction; `shipper.enrich.redact.Redactor` is the one that there is."""

from __future__ import annotations

from typing import Protocol

from shipper.ecs.values import JsonValue
from shipper.treatment import Treatment


class Redaction(Protocol):
    """Takes secrets and personal data out of a document. Total, and linear in time."""

    def treatment(self, path: str, /) -> Treatment:
        """Return what happens to the value at a dotted document path, for example `labels.user_email`."""
        ...

    def is_clean(self, text: str, /) -> bool:
        """Tell quickly whether `text` certainly holds nothing to redact; True implies `scan(text) == text`.

        `is_clean(a + "\\n" + b)` implies `is_clean(a)` and `is_clean(b)`.
        """
        ...

    def scan(self, text: str, /) -> str:
        """Return `text` with secrets and personal data replaced; scanning the result changes nothing more."""
        ...

    def mask(self, path: str, text: str, /) -> str:
        """Return what stands in place of a text whose treatment is MASK."""
        ...

    def pseudonym(self, text: str, /) -> str:
        """Return what stands in place of a text whose treatment is PSEUDONYM."""
        ...

    def apply(self, tree: dict[str, JsonValue], /) -> None:
        """Redact a whole nested document in place, names included."""
        ...
