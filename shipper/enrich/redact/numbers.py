"""Numbers that name a person or an account, told from other numbers by checksum, length or form."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from shipper.enrich.redact.spans import Span
from shipper.enrich.redact.vocabulary import words

_DASHES: Final = "\\-\u2010-\u2015\u2212"
# Looked ahead for and then taken whole: possessive groups are broken in Python before 3.11.5.
_ROW: Final = re.compile(
    r"(?<![\w.])(?<!_-)(?=(?P<row>\d(?:[ \u00a0" + _DASHES + r"]?\d)*))(?P=row)(?!\w)(?!\.[1-9])"
)
_DOTTED: Final = re.compile(r"(?<![\w.])\d{4}(?:\.\d{4}){3}(?![\w]|\.\d)")
_GROUP: Final = re.compile(r"\d+")
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{2}|[a-z]{2})\d{2}(?=[ \-]?[A-Za-z0-9]{2})")
_IBAN_LENGTHS: Final = {
    country: int(length)
    for country, length in (
        entry.split(":")
        for entry in words("""
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22
    DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28
    HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25
    MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29
    RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29
    VA:22 VG:24 XK:20 YE:30
""")
    )
}
_SEP: Final = r"[ .\u00a0" + _DASHES + r"]"
_INTERNATIONAL: Final = re.compile(
    r"(?<![\w+.])(?:\+|00(?=[1-9]\d" + _SEP + r"))[1-9](?:[ .\-/()\u00a0]{0,2}\d){7,14}(?![\w]|[:.]\d)"
)
_AMERICAN: Final = re.compile(
    r"(?<![\w.+\-/])(?:1[ .\-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}(?P<sep>[.\-]))[2-9]\d{2}(?(sep)(?P=sep)|[ .\-])\d{4}"
    r"(?![\w]|[.\-:/]\d)"
)
_NATIONAL: Final = re.compile(
    r"(?<![\w./\-+])(?<!\d:)(?<!\W[0-9A-Fa-f]{2} )\(?0[1-9]\d{0,4}\)?"
    r"(?:[ /\-.]\d{5,8}|(?P<sep>[ \-.])\d{2,4}(?:(?P=sep)\d{2,4}){1,4})(?![\w]|[:/.\-]\d|:[^\s]| [0-9A-Fa-f]{2}\b)"
)
_SAID: Final = re.compile(
    r"(?i)(?<![A-Za-z])(?:phone|tel|mobile|whatsapp|sms|fax)(?![A-Za-z])[^\d\n+(]{0,16}(\+?\(?\d[\d ().\-/]{6,20}\d)(?![\w]|[:.]\d)"
)
_MOST_DIGITS: Final = 15
_SHORTEST_CARD: Final = 13
_LONGEST_CARD: Final = 19


def digits_of(text: str) -> str:
    """Return the decimal digits of `text` (of any script) as ASCII."""
    if text.isascii():
        return "".join(letter for letter in text if letter.isdigit())
    return "".join(str(unicodedata.decimal(letter)) for letter in text if letter.isdecimal())


def find_cards(text: str, found: list[Span]) -> None:
    """Add payment card numbers: an issuer's prefix and length, and Luhn's checksum."""
    found.extend(
        Span(*match.span(), "card") for match in _DOTTED.finditer(text) if is_card(digits_of(match[0]))
    )
    for row in _ROW.finditer(text):
        if row.end() - row.start() < _SHORTEST_CARD:
            continue
        groups = [(group.start(), group.end()) for group in _GROUP.finditer(text, row.start(), row.end())]
        done = -1
        for first, (start, _) in enumerate(groups):
            if start >= done:
                end = _card_end(text, groups, first)
                if end:
                    found.append(Span(start, end, "card"))
                    done = end


def _card_end(text: str, groups: list[tuple[int, int]], first: int) -> int:
    """Return where a card number ends that begins with this group of digits, or 0."""
    number = ""
    for start, end in groups[first : first + 6]:
        if end - start > _LONGEST_CARD or (end - start < 4 and not number):
            return 0
        number += digits_of(text[start:end])
        if len(number) > _LONGEST_CARD:
            return 0
        # An unbroken row of 19 digits is far more often a 64-bit id.
        is_id = len(number) == _LONGEST_CARD == end - start
        if len(number) >= _SHORTEST_CARD and not is_id and is_card(number):
            return end
    return 0


def is_card(number: str) -> bool:
    """Tell whether 12 to 19 digits are a possible card number."""
    return _is_issued(number) and luhn(number)


def _is_issued(number: str) -> bool:
    size, two, three, four = len(number), int(number[:2]), int(number[:3]), int(number[:4])
    if number[0] == "4":
        return size in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in (34, 37):
        return size == 15
    if 300 <= three <= 305 or two in (36, 38, 39):
        return size in (14, 16)
    return size in (16, 19) and (
        3528 <= four <= 3589 or two in (62, 65) or four == 6011 or 644 <= three <= 649
    )


def luhn(number: str) -> bool:
    """Tell whether the digits satisfy Luhn's checksum (ISO/IEC 7812-1)."""
    total = 0
    for at, letter in enumerate(reversed(number)):
        digit = int(letter)
        total += digit if at % 2 == 0 else digit * 2 - (9 if digit > 4 else 0)
    return total % 10 == 0


def find_ibans(text: str, found: list[Span]) -> None:
    """Add international bank account numbers: the country's length and the checksum of ISO 13616."""
    for match in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        at, kept = match.start(), ""
        while len(kept) < length and at < len(text):
            letter = text[at]
            if letter.isascii() and letter.isalnum():
                kept += letter
            elif letter not in " -\u00a0" or text[at - 1] in " -\u00a0":
                break
            at += 1
        ends = at >= len(text) or not (text[at].isalnum() or text[at] == "_")
        if len(kept) == length and ends and is_iban(kept.upper()):
            found.append(Span(match.start(), at, "iban"))


def is_iban(text: str) -> bool:
    """Tell whether upper-case text without separators satisfies the checksum modulo 97."""
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1


def find_phones(text: str, found: list[Span]) -> None:
    """Add phone numbers: international ones with + or 00, American, national ones with a leading 0, announced ones."""
    for match in _INTERNATIONAL.finditer(text):
        size = len(digits_of(match[0]))
        if 8 <= size - 2 * match[0].startswith("00") <= _MOST_DIGITS:
            found.append(Span(*match.span(), "phone"))
    found.extend(Span(*match.span(), "phone") for match in _AMERICAN.finditer(text))
    found.extend(
        Span(*match.span(), "phone")
        for match in _NATIONAL.finditer(text)
        if 10 <= len(digits_of(match[0])) <= 12
    )
    found.extend(
        Span(*match.span(1), "phone")
        for match in _SAID.finditer(text)
        if 7 <= len(digits_of(match[1])) <= _MOST_DIGITS
    )
