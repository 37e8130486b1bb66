"""Variable parts of a message by their look: numbers, times, addresses, paths, names with digits.

A mask is right where it hides what differs between two sightings of one message, and wrong where it hides what
tells two messages apart. So times and addresses go whole, but of `eth0` only the digit, and an HTTP method or the
name of an exception stays. The order matters: what holds other variable parts (a URL, a date) comes first.

Bounded: only the first `MOST_CHARACTERS` of a message are looked at, so no pattern can run long on a hostile one.
No pattern was made for one system's log; `benchmarks/grouping.py` says what they are worth on ten of them.
"""

from __future__ import annotations

import re
from typing import Final

SLOT: Final = "<*>"
"""Stands for a variable part."""

MOST_CHARACTERS: Final = 2_048
"""Of a message; what differs only behind them is one message."""

_ENDS: Final = r"\s=,;()\[\]{}|\"'<>"
"""Inside a character class: what ends a word."""
_TIME: Final = r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?"
_ZONE: Final = r"(?:Z| ?[+-]\d\d:?\d\d)"
_DAY: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_NUMBER: Final = r"(?:[<>]=? ?)?(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?"
_SIZE: Final = r"(?:[kKMGTP]i?)?(?:B|[Bb]ytes?|bits?|[bB]/s|[Hh]z)"
_LENGTH: Final = (
    r"(?:ns|us|µs|ms|msecs?|secs?|(?:milli|micro|nano)?seconds?|minutes?|mins?|hours?|hrs?|days?|[smhd])"
)
_ZONES: Final = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|corp|local|localdomain|internal|lan|svc|cn|de|uk|fr|jp|ru|it|es|nl|se|ch|"
    "at|be|dk|no|fi|pl|cz|hk|tw|kr|in|au|nz|br|ca|us|eu|mx|tr|gr|pt|hu|ro|ua|il|sg|th|vn|ar|cl|za|"
    "pe|ve|ec|uy|bg|rs|hr|sk|lt|lv|ee|kz|lu|ie|ir|ae|eg|ng|ke|ph"
)
_FILES: Final = (
    "txt|xml|json|ya?ml|log|csv|tsv|pcapng|gz|zip|tar|bz2|xz|py|pyc|js|html?|so|dll|exe|bin|dat|conf|cfg|ini|tmp|pid|"
    "lock|sock|plist|parquet|npy|npz|pt|pth|onnx|pkl|h5|ckpt|safetensors|jpe?g|png|gif|pdf|sh|jar|db|sqlite|md|cpp|cc|"
    "c|h|java|go|rs"
)

_QUOTED: Final = r"\"((?:GET|POST|PUT|DELETE|HEAD|PATCH|OPTIONS) )?[^\"]*\""
"""The first group: a request line, whose method stays."""
_QUERY: Final = r"(?:\?(?:[^\s\"'<>()\[\]{}]|<\*>)*)?"

_PATTERNS: Final = (
    # Addresses of things: URL, e-mail, UUID.
    r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s,;\])}>\"']*[^\s,;\])}>\"':.]",
    r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
    # Times: Thu Aug 04 15:29:45 PDT 2005, Thu, 4 Aug 2005 15:29:45 +0200, 2005-08-04T15:29:45.123Z, 15:29:45.
    rf"\b{_DAY},? +{_MONTH} +\d{{1,2}},? +(?:{_TIME}(?: +[A-Z]{{2,5}})?)?(?: *\d{{4}})?",
    rf"\b{_DAY},? +\d{{1,2}} +{_MONTH} +\d{{4}} +{_TIME}(?: +(?:[A-Z]{{3,4}}|[+-]\d{{4}}))?",
    (
        r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
        rf"(?:[T _]\d{{1,2}}[:,]\d\d(?:[:,]\d\d)?(?:[.,]\d+)?{_ZONE}?)?(?![\w/])"
    ),
    rf"\b{_TIME}{_ZONE}?\b(?!:)",
    # Hardware and IPv6 addresses, then IPv4 with a port or a mask.
    r"(?<!\w)[0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4}){3,15}(?:%\w+)?(?!:?\w)",
    (
        r"(?<![\w:])(?=[a-fA-F:]{0,20}\d)(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}(?:%\w+)?(?![\w:])"
        r"|(?<![\w:])::0(?![\w:])"
    ),
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:[:/]\d+)?(?![\w.]*\w)",
    # Paths: of Windows, from the root with a query, and relative ones with two slashes.
    rf"(?<!\w)(?:[A-Za-z]:\\|\\\\\w)(?:[^{_ENDS}]|<\*>)*",
    rf"(?<![^{_ENDS}:])/(?:[^{_ENDS}?]|<\*>)*{_QUERY}",
    rf"(?<![^{_ENDS}])[^{_ENDS}/]*/[^{_ENDS}/]*/(?:[^{_ENDS}?]|<\*>)*",
    r"(?<![\w.-])localhost:\d+\b",
    # Hosts, names of packages (but not of exceptions), files.
    rf"(?<![\w.-])[A-Za-z0-9][\w-]*(?:\.[\w-]+)*\.(?:[A-Za-z][\w-]*:\d+\b|(?:{_ZONES})\b(?![.\w-])(?::\d+)?)",
    (
        r"(?<![\w.-])(?:com|org|net|edu|io|gov|cn)(?:\.\w[\w$-]*){2,}"
        r"(?<!Exception)(?<!Error)(?<!Warning)(?<!Fault)(?![\w.]*\w)"
    ),
    rf"(?<![\w.+<>*-])(?:[\w+.-]|<\*>)*\w\.(?:{_FILES})\b(?![.\w])(?::\d+)?",
    # Numbers with units, versions, names with digits, hexadecimal ones, what digits are left.
    r"\b0[xX][0-9a-fA-F]+\b",
    rf"{_NUMBER}\s?{_SIZE}\b",
    rf"{_NUMBER}\s?{_LENGTH}\b",
    r"(?<![\w.])v?\d+\.\d[\w.+~-]*",
    (
        r"(?<![\w<>*])(?=[\w-]{0,64}\d)(?=[\w-]{0,64}[A-Za-z])"
        r"(?=\w*(?:[_-]|\d[A-Za-z]+\d))[A-Za-z0-9]\w*(?:-+\w+)*"
    ),
    r"(?<!\w)(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}(?!\w)|(?<!\w)[0-9a-fA-F]{8,}(?!\w)",
    r"(?:(?<![\w>)\]])[-+])?\d+(?:[.,:]\d+)*(?:[eE][-+]\d+)?",
)

_VARIABLE: Final = tuple(re.compile(pattern) for pattern in _PATTERNS)
_DIGIT: Final = re.compile(r"\d")
"""Every digit is a zero first: no pattern may see what a number is, only how it is written."""
_IN_QUOTES: Final = re.compile(_QUOTED)
_ASSIGNED: Final = re.compile(
    r"(?<=[^=!<>]=)\s?(?![\w.]*=)(?!(?:[Tt]rue|[Ff]alse)\b)"
    rf"(?:[^{_ENDS}]|<\*>)+(?:\{{[^{{}}]*\}}|\([^()]*\)|\[[^\[\]]*\])?"
)
"""What stands behind an equals sign, with brackets that follow it at once; true and false say what happened."""
_NOTHING: Final = re.compile(r"(?<=\w=)(?=[\s,;]+[\w.]+=|\s*$)")
"""Behind an equals sign where no value stands."""
_LITERAL_TEXT: Final = re.compile(r"(?<![\w'])[bru]?'(?:[^'\\]|\\.)*'(?![\w'])")
"""Of Python: what stands in single quotes that are no apostrophes."""
_OBJECT: Final = re.compile(
    rf"<(?:[^<>\s]|<\*>)+ (?:[^<>]|<\*>){{0,200}}? at {re.escape(SLOT)}>|<(?:class|bound method) (?:[^<>]|<\*>)+>"
)
"""Of Python: `<function f at 0x7f01>`, `<bound method C.f of <C object at 0x7f02>>`, `<class 'C'>`."""
_ATOM: Final = r"(?:<\*>|True|False|None|true|false|null|nan|inf)"
_COLLECTION: Final = re.compile(
    rf"\{{\s*\}}|\[\s*\]|[\[({{]\s*{_ATOM}\s*(?:[,:]\s*(?:{_ATOM}\s*)?)+[\])}}]|[\[{{]\s*{_ATOM}\s*[\]}}]"
)
"""Of Python and JSON, with nothing but values inside: a list, a tuple, a set, a dictionary."""
_DEEPEST: Final = 8
_LISTED: Final = re.compile(r"<\*>(?:(?:\s*[,;:/.\-+\\#|]{1,2}\s*|\s+)?<\*>|\s*\((?:<\*>)?\))+")
"""Slots that only punctuation parts: a list has any number of members."""


def shape_of(message: str) -> str:
    """Return what is looked at of a message, each digit a zero; messages of one shape have one form."""
    return _DIGIT.sub("0", _beginning(message))


def masked(shape: str) -> str:
    """Return a shape with a slot for every part that looks variable; never raises.

    Pure: one text has one answer in every process.
    """
    text = _IN_QUOTES.sub(lambda quoted: quoted[0] if quoted[1] else f'"{SLOT}"', shape)
    text = _LITERAL_TEXT.sub(SLOT, text)
    for pattern in _VARIABLE:
        text = pattern.sub(SLOT, text)
    text = _innermost_first(_COLLECTION, _innermost_first(_OBJECT, text.replace(f'"{SLOT}"', SLOT)))
    return _LISTED.sub(SLOT, _NOTHING.sub(SLOT, _ASSIGNED.sub(SLOT, text)))


def _innermost_first(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with a slot for what the pattern finds, then for what holds nothing else any more."""
    for _ in range(_DEEPEST):
        text, found = pattern.subn(SLOT, text)
        if not found:
            break
    return text


def _beginning(message: str) -> str:
    """Return what is looked at, without half a word at its end: half a number would be another one."""
    if len(message) <= MOST_CHARACTERS:
        return message
    whole = message[: MOST_CHARACTERS + 1]
    words = whole.rsplit(None, 1)
    return words[0] if len(words) > 1 and not whole[-1].isspace() else whole[:-1]
