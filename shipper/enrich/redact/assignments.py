"""Values that follow a name in a text: `password=...`, JSON, `repr` of mappings, headers, options, XML, query strings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shipper.enrich.redact.names import QUERY_NAMES, NameClass
from shipper.enrich.redact.spans import MARK, Span
from shipper.enrich.redact.values import is_prose, says_nothing, value_end
from shipper.enrich.redact.vocabulary import words

Classify = Callable[[str], NameClass]
"""Says what a name tells of its value."""

_GAP: Final = r"[ \t\r\n]{0,16}"
_ASSIGNED: Final = re.compile(
    r"(?<![\w.\-$])(?P<name>[\w.\-$]++(?:\[[\w'\"]{0,64}\])?)(?P<close>\\*[\"'`\])]{0,2}|%22|%27|&quot;)"
    r"(?:(?P<op>[ \t]{0,8}(?:=>|->|:=|==?|!=|<>|%3[DdAa]|:(?!//))|(?<=\))=(?=\())" + _GAP + r"|"
    r"(?P<har>,\s?\\?[\"']value\\?[\"']\s?:\s?))"
)
_PAIR: Final = re.compile(
    r"[(\[]\s?b?(?P<quote>\\*[\"'])(?P<name>[\w.\-]{2,64})(?P=quote)\s?,\s?(?=b?\\*[\"'])"
)
_ATTRIBUTES: Final = re.compile(
    r"\b(?:name|key|id|type)\s?=\s?\\*[\"'](?P<name>[\w.:\-]{2,64})\\*[\"'][^<>\n]{0,80}?\bvalue\s?=\s?(?=\\*[\"'])"
)
_OPTION: Final = re.compile(
    r"(?<![\w\-])--?(?P<name>[A-Za-z][\w\-.]*+)(?:[ \t]{1,8}|[\"']\s?,\s?(?=[\"']))(?!-)"
)
_ELEMENT: Final = re.compile(r"<(?P<name>[A-Za-z][\w:.\-]*+)[^<>]{0,128}>(?=[^<\s])")
_LINE_NAMES: Final = words("""
    authorization proxy-authorization cookie set-cookie cookies x-amz-security-token passphrase mnemonic
""")
_WEAK: Final = re.compile(r"(?i)(?:token|auth|cookies?|session|bic|e?mail|phone)")
_JAVA_OBJECT: Final = re.compile(
    r"[A-Za-z_][\w.$]*(?:@[0-9a-f]{1,16}\b|\{)|(?:[A-Za-z]{2,40}\.){2,8}[A-Za-z]{2,40}\b(?![\w\-])"
)
_PORT: Final = re.compile(r"\d{1,5}(?!\w)")


def find_assignments(text: str, classify: Classify, found: list[Span]) -> None:
    """Add the values of all names that tell of a secret or of a person."""
    done = 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < done:
            continue
        name = match["name"]
        kind = classify(name)
        if kind is NameClass.FREE:
            kind = _by_surroundings(text, match, classify)
            if kind is NameClass.FREE:
                continue
        done = _add_value(text, match, kind, found) or done
    for pattern in (_PAIR, _ATTRIBUTES, _OPTION, _ELEMENT):
        done = 0
        for match in pattern.finditer(text):
            if match.start() >= done and (kind := classify(match["name"])) is not NameClass.FREE:
                done = _add_value(text, match, kind, found) or done


def _by_surroundings(text: str, match: re.Match[str], classify: Classify) -> NameClass:
    """Classify a name by the word before it (`API key: ...`) or by its place in a query string."""
    start, name = match.start(), match["name"]
    before = text[max(0, start - 24) : start]
    if before[-1:] in ("?", "&") or before.endswith(("%3F", "%26", "&amp;")):
        return NameClass.SECRET if name.lower() in QUERY_NAMES else NameClass.FREE
    if before[-1:] == " " and name.isalpha():
        word = before[:-1].rpartition(" ")[2].strip("\"'([{,;:")
        if name in ("is", "was"):  # `the password is: ...`
            return classify(word)
        if word.isalpha() and classify(word) is NameClass.FREE:
            return classify(f"{word}_{name}")
    return NameClass.FREE


def _add_value(text: str, match: re.Match[str], kind: NameClass, found: list[Span]) -> int:
    """Add the value behind a match; return where it ends, 0 if it is none."""
    name = match["name"].rpartition(".")[2].lower().replace("_", "-")
    groups = match.groupdict()
    operator = (groups.get("op") or "").strip()
    is_line = name in _LINE_NAMES and operator == ":"
    begin = match.end()
    if is_line and begin and (quote := _quote_before(text, match)):
        end = _until(text, begin, quote)
    elif _is_across_lines(text, match):
        return 0
    else:
        begin, end = value_end(text, begin, to_line_end=is_line, is_number=kind is NameClass.PERSONAL)
    value = text[begin:end]
    if (
        not value
        or value.startswith(MARK)
        or says_nothing(value)
        or _is_harmless(match["name"], value, text, begin)
    ):
        return 0
    found.append(Span(begin, end, "secret" if kind is NameClass.SECRET else "personal"))
    return end


def _quote_before(text: str, match: re.Match[str]) -> str:
    """Return the quote that stands right before the name and not right after it: `-H 'Cookie: a=b'`."""
    before = text[match.start() - 1 : match.start()]
    return before if before in ("'", '"') and not match["close"] else ""


def _until(text: str, start: int, quote: str) -> int:
    end = text.find(quote, start)
    return len(text) if end < 0 else end


def _is_across_lines(text: str, match: re.Match[str]) -> bool:
    """Tell whether a line feed lies between the operator and a value that is neither quoted nor bracketed."""
    gap = text[match.end("op") if "op" in match.re.groupindex and match["op"] else match.end() : match.end()]
    return "\n" in gap and text[match.end() : match.end() + 1] not in ("'", '"', "{", "[")


def _is_harmless(full: str, value: str, text: str, begin: int) -> bool:
    """Tell whether a value is a plain word in a sentence, or an object's description."""
    if text[begin - 1 : begin] in ("'", '"', "`"):
        return False
    if _JAVA_OBJECT.match(value):
        return True
    if "." in full and text[begin - 1 : begin] == ":" and _PORT.match(value):
        return True  # host:port
    return text[begin - 1 : begin] == " " and is_prose(value) and _WEAK.fullmatch(full) is not None
