"""Whether a text can hold anything to redact at all: quick, and never wrong when it says no.

Each test is of the kind "does not occur in the text", within a line. So what is clean as a whole is clean in each
of its lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shipper.enrich.redact.names import QUERY_NAMES, NameClass
from shipper.enrich.redact.stored import may_hold_stored
from shipper.enrich.redact.vocabulary import words

CUT_MARK: Final = "…[cut, "
"""Where the length caps cut a text; see `shipper.ecs.limits`."""

_LETTERS: Final = bytes(range(65, 91)) + bytes(range(97, 123))
_DIGITS: Final = b"0123456789"
_DULL: Final = _LETTERS + b" ,.;!*\r\n\t" + bytes(range(128, 256))
_TOKEN: Final = _LETTERS + _DIGITS + b"_-"
_RUNS: Final = bytes(97 if byte in _TOKEN else 32 for byte in range(256))
_LONG_RUN: Final = b"a" * 16
_BETWEEN_DIGITS: Final = b" -.()/_"
_ROWS: Final = bytes(48 if byte in _DIGITS else 32 for byte in range(256))
_DIGITS_IN_ROW: Final = b"0" * 9
_DIGIT_ROW: Final = re.compile(r"\d(?:[ \-.()/_\u00a0\u2010-\u2015]{0,2}\d){8}")
_MOMENT: Final = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?")

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,32}[A-Za-z]")
_TAX_CODE: Final = 16
_RUN: Final = re.compile(r"[A-Za-z0-9_\-]{16,}+")
_ISSUERS: Final = words("""
    ghp gho ghu ghs ghr github glpat glptt gldt glrt glcbt glft glsoat glagent xapp sk rk pk whsec xai gsk
    pplx hf api r8 npm pypi rubygems key dop doo dor shpat shpca shppa shpss lin ntn secret glc glsa nfp
    PMAK HRKU AGE sbp pscale sntrys sntryu figd CFPAT tskey GOCSPX SG
""")
_BEGINNINGS: Final = (
    "AKIA", "ASIA", "ABIA", "ACCA", "AIza", "eyJ", "EAAA", "ATATT3", "ATCTT3", "SK", "dapi", "gAAAA", "xox", "sq0", "NR", "pat",
)  # fmt: skip
_ODD: Final = (
    ":AA",
    "Q~",
    "hvs.",
    "hvb.",
    "hvr.",
    "ya29.",
    "atlasv1",
    "1//0",
    "dp.",
    "SG.",
    "hooks.",
    "webhook",
    "api.telegram",
)

_NAMES: Final = bytes(
    byte if (chr(byte).isalnum() and byte < 128) or byte in b"_.-$" or byte > 127
    else (61 if byte in b"=:" else (38 if byte in b"?&" else 32))
    for byte in range(256)
)  # fmt: skip
_ANNOUNCING: Final = (
    "pass",
    "mysql",
    "mariadb",
    "secret",
    "token",
    "pwd",
    "cred",
    "identified",
    "bearer",
    "basic",
    "api",
    "pin ",
    "cv",
    "otp",
    "y code",
    "n code",
    "e code",
)
_QUOTED_GATES: Final = (
    "('", '("', "['", '["', "(b'", "[b'", '(b"', '[b"', "( '", '( "', "[ '", '[ "', "(\\", "[\\", 'value"', "value'",
    "value\\", "value=", "value =",
)  # fmt: skip
_COMPARED: Final = re.compile(r"(?i)\s(?:i?like|in|regexp|similar\s{1,4}to)\s{0,8}[(\"']")
_OPTION: Final = re.compile(r"(?<![\w\-])--?[A-Za-z]")
_FOREIGN: Final = ("пароль", "密码", "口令", "パスワード", "비밀번호")
_MOST_REMEMBERED: Final = 4096
_LONGEST_TEMPLATE: Final = 512
_ZEROS: Final = bytes(48 if byte in _DIGITS else byte for byte in range(256))

Classify = Callable[[str], NameClass]


class Prefilter:
    """Quick tests on texts that are folded where they are not ASCII.

    Args:
        classify: what a name says of its value.
        tells_digits_apart: whether names are denied or allowed that differ in their digits alone.
    """

    __slots__ = ("_classify", "_free", "_tells_digits_apart", "_templates")

    def __init__(self, classify: Classify, *, tells_digits_apart: bool = False) -> None:
        self._classify = classify
        self._tells_digits_apart = tells_digits_apart
        self._templates: set[bytes] = set()
        self._free: set[bytes] = {b""}

    def is_clean(self, text: str) -> bool:
        """Tell whether nothing in a text can be of a kind that is looked for."""
        data = text.encode("utf-8", "surrogatepass")
        special = data.translate(None, _DULL)
        if not special:  # letters alone; some issued keys are
            return not _may_announce_letters(text) and (
                _LONG_RUN not in data.translate(_RUNS) or not _may_be_issued(text)
            )
        if _may_hold_form(text, data, special):
            return False
        if b"%" in special or len(data) > _LONGEST_TEMPLATE or self._tells_digits_apart:
            return not self.may_hold_assignment(text, data, special)
        # Names do not depend on digits: lines that differ in their numbers alone are looked through once.
        template = data.translate(_ZEROS)
        is_clean = template in self._templates or not self.may_hold_assignment(text, data, special)
        if is_clean:
            if len(self._templates) >= _MOST_REMEMBERED:
                self._templates.clear()
            self._templates.add(template)
        return is_clean

    def may_hold_assignment(self, text: str, data: bytes = b"", special: bytes = b"") -> bool:
        """Tell whether there can be a value whose name or announcement tells that it is to be redacted."""
        data = data or text.encode("utf-8", "surrogatepass")
        special = special or data.translate(None, _DULL)
        if may_announce(text) or _has_odd_form(text, special):
            return True
        if b"=" not in special and b":" not in special:
            return b"(" in special and _may_be_row(text)
        if b"(" in special and _may_be_row(text):
            return True
        free = self._free
        for part in data.translate(_NAMES).split(b"=")[:-1]:
            words = part.rsplit(None, 2)[-2:]
            for word in words:
                if word not in free and not self._is_free(word):
                    return True
            if len(words) == 2:
                both = b"_".join(words)
                if both not in free and not self._is_free(both):
                    return True
        return False

    def _is_free(self, word: bytes) -> bool:
        name = word.decode("utf-8", "replace")
        if "&" in name:
            query, name = name.rpartition("&")[2], name.replace("&", " ")
            if query.lower() in QUERY_NAMES:
                return False
        if self._classify(name) is not NameClass.FREE or any(
            self._classify(part) is not NameClass.FREE for part in name.split()
        ):
            return False
        if len(word) <= 64:
            if len(self._free) >= _MOST_REMEMBERED:
                self._free = {b""}
            self._free.add(word)
        return True


def may_hold_address(text: str) -> bool:
    """Tell whether there can be an e-mail address or a login in a URL."""
    return "@" in text or "%40" in text


def has_written_breaks(text: str) -> bool:
    """Tell whether line feeds, tabs or colours are written out as escapes."""
    return "\\n" in text or "\\r" in text or "\\t" in text


def with_breaks(text: str) -> str:
    """Return `text` of the same length with escaped line feeds made real and colours made blank.

    Otherwise the `n` of an escaped line feed would be taken for the first letter of what follows.
    """
    if "\\" in text:
        text = text.replace("\\n", "\n ").replace("\\r", "\r ").replace("\\t", "\t ")
    if "\x1b" in text:
        text = _COLOUR.sub(lambda colour: " " * len(colour[0]), text)
    return text


def without_moments(text: str) -> str:
    """Return `text` of the same length with written times made unreadable: they are no numbers of anybody."""
    return _MOMENT.sub(lambda moment: "x" * len(moment[0]), text) if ":" in text else text


def _may_be_row_of_digits(data: bytes, text: str) -> bool:
    return _DIGITS_IN_ROW in data.translate(_ROWS, _BETWEEN_DIGITS) and may_hold_number(text)


def may_hold_number(text: str) -> bool:
    """Tell whether there can be a card, account or phone number."""
    return _DIGIT_ROW.search(without_moments(text)) is not None


def may_hold_token(text: str) -> bool:
    """Tell whether there can be an issued key, a web token or a private key."""
    if "-----" in text:
        return True
    return _LONG_RUN in text.encode("utf-8", "surrogatepass").translate(_RUNS) and _may_be_issued(text)


def _may_be_issued(text: str) -> bool:
    for run in _RUN.findall(text):
        parts = run.replace("-", "_").split("_")
        if not _ISSUERS.isdisjoint(parts) or (run[0] in "MNO" and len(run) > 22):
            return True
        if len(run) == _TAX_CODE and run[:6].isalpha() and run[6:8].isdigit():
            return True
        for part in parts:
            if part.startswith(_BEGINNINGS):
                return True
    return any(odd in text for odd in _ODD)


def _may_announce_letters(text: str) -> bool:
    """Tell the same of a text of letters: what else is announced has a digit, a quote, or an operator."""
    lower = text.lower()
    if "basic" in lower or "bearer" in lower or "password" in lower:
        return True
    return not lower.isascii() and any(word in lower for word in _FOREIGN)


def may_announce(text: str) -> bool:
    """Tell whether a word occurs that announces a secret without `=` or `:`."""
    lower = text.lower()
    for word in _ANNOUNCING:
        if word in lower:
            return True
    return not lower.isascii() and any(word in lower for word in _FOREIGN)


def _may_hold_form(text: str, data: bytes, special: bytes) -> bool:
    """Tell whether there can be something that shows by its own form, or that hides it."""
    if b"@" in special or b"\x1b" in special or CUT_MARK in text:
        return True
    if (b"\\" in special and has_written_breaks(text)) or (b"-" in special and "-----" in text):
        return True
    if b"%" in special and "%40" in text:
        return True
    if (b"$" in special or b"}" in special) and may_hold_stored(text):
        return True
    if _LONG_RUN in data.translate(_RUNS) and _may_be_issued(text):
        return True
    return _DIGITS_IN_ROW in special.translate(_ROWS, _BETWEEN_DIGITS) and _may_be_row_of_digits(data, text)


def _has_odd_form(text: str, special: bytes) -> bool:
    """Tell whether there can be an encoded operator, an XML element, an option or a pair of texts."""
    if b"%" in special and ("%3" in text or "%2" in text):
        return True
    if (
        b"<" in special
        or (b">" in special and "->" in text)
        or (b"-" in special and _OPTION.search(text) is not None)
    ):
        return True
    if b"'" in special or b'"' in special:
        for gate in _QUOTED_GATES:
            if gate in text:
                return True
        if _COMPARED.search(text) is not None or "input_value=" in text:
            return True
    return (b"&" in special and "&quot;" in text) or (b"=" in special and "input_value=" in text)


def _may_be_row(text: str) -> bool:
    lower = text.lower()
    return "values" in lower or "row contains" in lower
