"""What happens to the value of a document's field before it is stored: the word that redaction and encoder share."""

from __future__ import annotations

import enum


class Treatment(enum.Enum):
    """What happens to a value.

    Attributes:
        PASS: it is never looked at (numbers, fields that the schema calls public).
        SCAN: secrets and personal data inside of it are replaced.
        MASK: it is replaced as a whole.
        PSEUDONYM: it is replaced by a keyed pseudonym, equal for equal values.
        DROP: it is left out.
        RENAME: its name itself holds a secret; only `Redaction.apply` can treat it.
    """

    PASS = "pass"  # noqa: S105 - a word, not a password
    SCAN = "scan"
    MASK = "mask"
    PSEUDONYM = "pseudonym"
    DROP = "drop"
    RENAME = "rename"
