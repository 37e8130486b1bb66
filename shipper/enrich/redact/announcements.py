"""Secrets that words announce, without `=` or `:` between: in prose, SQL, error messages and shell commands."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.assignments import Classify
from shipper.enrich.redact.names import NameClass
from shipper.enrich.redact.spans import Span
from shipper.enrich.redact.values import says_nothing, value_end

_IS: Final = r"(?:(?:is|was|has|been|be|now)\s{1,4}){0,3}(?:(?:(?:changed|set|reset|updated)\s{1,4})?(?:to|of|as|using|=)\s{1,4})?"
_QUOTED: Final = re.compile(
    r"(?i)(?<![a-z])(?:password|passwd|passphrase|passcode|pwd|secret|identified\s{1,4}by|credentials?)\s{1,4}"
    + _IS
    + r"\(?\s{0,2}(?:N|E|b)?(?P<quote>[\"'`])"
)
_SAID: Final = re.compile(
    r"(?i)(?<![a-z])(?:password|passwd|passphrase|passcode|pwd|secret|token|api[ _-]?key)\s{1,4}"
    + _IS
    + r"(?P<value>[^\s\"'`,;()\[\]{}<>]{4,256})"
)
_CODE: Final = re.compile(
    r"(?i)(?<![a-z])(?:pin|cvv2?|cvc2?|otp|passcode|(?:security|verification|one-time|recovery) code)\s{1,4}"
    r"(?:code\s{1,4})?(?:(?:is|was)\s{1,4})?(?P<value>\d{3,8})(?![\w.])"
)
_COMPARED: Final = re.compile(
    r"(?i)(?<![\w.])(?P<name>[\w.\"`]++)\s{1,8}(?:not\s{1,8})?(?:i?like|in|regexp|similar\s{1,4}to)\s{0,8}(?=[(\"'])"
)
_REFUSED_INPUT: Final = re.compile(r"(?m)^(?P<name>[\w.\[\]]{1,200})\n {2}[^\n]{0,400}?input_value=")
_LOGIN: Final = re.compile(
    r"(?i)(?<!\S)(?:-u|--user|--proxy-user)[ =][\"']?(?P<login>[^\s:'\"]{1,128}:[^\s'\"]{1,256})"
    # The password stands directly behind the option; `-P` is the port.
    r"|(?<![a-z])(?:mysql|mariadb)[\w\-]{0,32}[ \t][^\n|;&]{0,256}?(?<=[ \t])(?-i:-p)[\"']?(?P<attached>[^\s'\"]{1,256})"
    r"|(?<![a-z])login\s{1,4}\S{1,128}\s{1,4}password\s{1,4}(?P<netrc>\S{1,256})"
)


def find_announced(text: str, classify: Classify, found: list[Span]) -> None:
    """Add what words announce: `PASSWORD 'x'`, `password is x1`, `pin 1234`, `ssn IN ('x')`, `curl -u bob:x`."""
    _find_quoted(text, classify, found)
    for match in _SAID.finditer(text):
        if _looks_secret(match["value"]):
            found.append(Span(*match.span("value"), "secret"))  # noqa: PERF401 - reads better than a comprehension
    found.extend(Span(*match.span("value"), "secret") for match in _CODE.finditer(text))
    for match in _LOGIN.finditer(text):
        place = match.lastgroup or "login"
        if not match[place].replace(":", "").isdigit():  # `-u 1000:1000` is a user and a group
            found.append(Span(*match.span(place), "login"))


def _find_quoted(text: str, classify: Classify, found: list[Span]) -> None:
    done = 0
    for match in _QUOTED.finditer(text):
        if match.start() >= done:
            start, done = value_end(text, match.end() - 1)
            if done > start and not says_nothing(text[start:done]):
                found.append(Span(start, done, "secret"))
    for pattern in (_COMPARED, _REFUSED_INPUT) if "input_value=" in text else (_COMPARED,):
        done = 0
        for match in pattern.finditer(text):
            if match.start() >= done and classify(match["name"].strip('"`')) is not NameClass.FREE:
                start, done = value_end(text, match.end())
                if done > start:
                    found.append(Span(start, done, "secret"))


def _looks_secret(value: str) -> bool:
    has_digit = any(letter.isdigit() for letter in value)
    return (
        has_digit
        and not value[0].isdigit()
        and "=" not in value
        and not value.startswith(("-", ":", "/", "#"))
    )
