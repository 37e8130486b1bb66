"""Secrets that show by their own form: keys of well-known issuers, JSON web tokens, private keys, HTTP credentials.

The forms are those that the issuers publish. A hash, a UUID or a commit has none of them.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from shipper.enrich.redact.spans import Span

_ISSUED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}+"  # AWS access key ids
    r"|gh[pousr]_\w{16,}+|github_pat_\w{16,}+|gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[\w\-.]{16,}+"
    r"|xox[a-z]{1,2}-[\w\-]{11,}+|xapp-[\w\-]{11,}+"  # Slack
    r"|(?:sk|rk|pk)_(?:live|test)_\w{8,}+|whsec_[\w+/=]{16,}+"  # Stripe
    r"|sk-(?:proj-|ant-|or-|svcacct-|admin-|lf-)?[\w\-]{16,}+|xai-\w{20,}+|gsk_\w{20,}+|pplx-\w{20,}+"
    r"|AIza[\w\-]{20,}+|ya29\.[\w\-.]{16,}+|GOCSPX-[\w\-]{16,}+|1//0[\w\-]{24,}+"  # Google
    r"|hf_\w{16,}+|api_org_\w{16,}+|r8_\w{20,}+|npm_\w{20,}+|pypi-[\w\-]{20,}+|rubygems_\w{20,}+"
    r"|SG\.[\w\-]{16,}+\.[\w\-]{16,}+|key-[0-9a-f]{32}|SK[0-9a-f]{32}|dapi[0-9a-f]{32}(?:-\d)?"
    r"|do[opr]_v1_[0-9a-f]{32,}+|shp(?:at|ca|pa|ss)_\w{16,}+|sq0[a-z]{3}-[\w\-]{16,}+|EAAA[\w\-]{40,}+"
    r"|ATATT3[\w\-=]{16,}+|ATCTT3[\w\-=]{16,}+|lin_api_\w{16,}+|ntn_\w{16,}+|secret_[A-Za-z0-9]{32,}+"
    r"|hv[sbr]\.[\w\-]{16,}+|[A-Za-z0-9]{14}\.atlasv1\.[\w\-]{16,}+|dp\.(?:pt|st|ct|sa|scim|audit)\.\w{16,}+"
    r"|gl(?:c|sa)_[\w+/=]{16,}+|nfp_\w{16,}+|PMAK-[0-9a-f\-]{24,}+|NR(?:AK|JS|II|AL)-?[\w\-]{16,}+"
    r"|HRKU-[\w\-]{16,}+|AGE-SECRET-KEY-1[A-Z0-9]{16,}+|sbp_\w{16,}+|pscale_\w{2,12}_[\w\-.]{16,}+"
    r"|sntry[su]_[\w+/=\-]{16,}+|figd_[\w\-]{16,}+|CFPAT-[\w\-]{16,}+|tskey-\w+-[\w\-]{8,}+|pat[A-Za-z0-9]{14}\.\w{32,}+"
    r"|\d{8,10}:AA[\w\-]{32,}+"  # Telegram
    r"|[MNO][A-Za-z0-9_-]{22,}+\.[\w\-]{6}\.[\w\-]{25,}+"  # Discord
    r"|gAAAA[\w\-]{60,}={0,2}"  # Fernet
    r"|\w{3}\dQ~[\w~.\-]{30,}+"  # Azure clients
    r")"
)
_HOOK: Final = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/"
    r"|webhook\.office\.com/webhookb2/|api\.telegram\.org/bot)([^\s\"'<>\\)\]}]+)"
)
_JSON_WEB_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9])eyJ[\w\-]{13,}+(?:(?:\.|%2[Ee])[\w\-]*+){0,4}")
_BEGIN: Final = re.compile(
    r"-----BEGIN(?: |%20|\+)(?:[A-Z0-9]+(?: |%20|\+)){0,4}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?-----"
)
_END: Final = re.compile(r"-----END[A-Z0-9 +%]{0,64}-----")
_END_PRIVATE: Final = re.compile(
    r"-----END(?: |%20|\+)[A-Z0-9 +%]{0,48}PRIVATE[ +%20]{1,3}KEY[A-Z +%20]{0,8}-----"
)
_KEY_BODY: Final = re.compile(r"(?:[A-Za-z0-9+/=%]{16,}|[A-Za-z0-9+/=]{1,76}$|[\s|\\nr\"',]{1,16}|…)")
_SCHEME: Final = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?:(?P<bearer>bearer|apikey|token|negotiate|digest)|(?P<basic>basic))(?:\s{1,4}|%20|\+)"
    r"(?P<value>[\w\-.~+/%]{6,}+={0,2})"
)


def find_tokens(text: str, found: list[Span]) -> None:
    """Add what shows by its own form."""
    found.extend(Span(*match.span(), "token") for match in _ISSUED.finditer(text))
    found.extend(Span(*match.span(1), "token") for match in _HOOK.finditer(text))
    if "eyJ" in text:
        found.extend(Span(*match.span(), "jwt") for match in _JSON_WEB_TOKEN.finditer(text))


def find_private_keys(text: str, found: list[Span]) -> None:
    """Add private keys, whole or begun: one whose end was cut off goes to the end of the text."""
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        at = end.end() if end is not None else len(text)
        found.append(Span(begin.start(), at, "private-key"))
    reached = found[-1].end if found else 0
    for orphan in _END_PRIVATE.finditer(text):
        if orphan.start() >= reached:
            start = _body_start(text, reached, orphan.start())
            found.append(Span(start, orphan.end(), "private-key"))
            reached = orphan.end()


def _body_start(text: str, low: int, end: int) -> int:
    """Return where the lines of a key whose beginning was cut off begin."""
    start = end
    while start > low:
        previous = text.rfind("\n", low, start - 1) + 1 or low
        line = text[previous:start].strip(" |\t\r\n")
        if not re.fullmatch(r"[A-Za-z0-9+/=\\]{0,400}", line):
            break
        start = previous
    return start


def find_http_credentials(text: str, found: list[Span]) -> None:
    """Add what follows a scheme of HTTP authentication and looks like a credential, not like prose."""
    for match in _SCHEME.finditer(text):
        value = match["value"]
        is_bearer = bool(match["bearer"]) and match["bearer"].lower() == "bearer"
        if is_basic_login(value) if match["basic"] else _is_opaque(value, is_bearer=is_bearer):
            found.append(Span(*match.span("value"), "login"))


def is_basic_login(value: str) -> bool:
    """Tell whether `value` is base64 of `user:password`."""
    plain = value.replace("%3D", "=").replace("%3d", "=").replace("%2B", "+").replace("%2F", "/")
    plain = plain.replace("-", "+").replace("_", "/").rstrip("=")[:2048]
    if len(plain) < 4:
        return False
    try:
        decoded = base64.b64decode(plain[: len(plain) // 4 * 4 or None] if len(plain) % 4 == 1 else
                                   plain + "=" * (-len(plain) % 4))  # fmt: skip
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and all(byte >= 32 for byte in decoded)


def _is_opaque(value: str, *, is_bearer: bool) -> bool:
    has_digit = any(letter.isdigit() for letter in value)
    is_mixed = value[1:].lower() != value[1:] and value.upper() != value
    return len(value) >= 8 and (has_digit or (is_bearer and (is_mixed or len(value) >= 32)))
