"""E-mail addresses, credentials in URLs, and (on request) IP addresses."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from shipper.enrich.redact.spans import Span
from shipper.enrich.redact.vocabulary import words

_DOMAIN: Final = r"(?P<domain>(?:[\w-]{1,63}\.)+(?P<top>[^\W\d_]{2,24}|xn--[\w-]{2,40}))(?![\w-])"
_EMAIL: Final = re.compile(r"(?<![\w.+%-])(?P<local>[\w.+%-]++)@" + _DOMAIN)
_ENCODED_EMAIL: Final = re.compile(r"(?<![\w.+-])(?P<local>[\w.+-]++)%40" + _DOMAIN)
_NO_TOP: Final = words("""
    service socket timer mount target slice scope device png jpg jpeg gif svg webp ico tgz tar gz whl json
    yaml yml js ts jsx tsx css html log txt so jar zip conf cfg
""")
"""Endings of file names and of systemd units (`icon@2x.png`, `user@1000.service`): no top-level domains."""

_USERINFO: Final = re.compile(r"://(?P<login>[^\s/?#\"'<>@\\]{0,256}(?:@[^\s/?#\"'<>@\\]{1,256}){0,4})@")
_ODD_USERINFO: Final = re.compile(r"://(?P<login>[^\s/@:\"'<>]{0,64}:(?!\d{1,5}[/?#\"'])[^\s@\"'<>]{1,128})@")
_ENCODED_USERINFO: Final = re.compile(
    r"%3[Aa]%2[Ff]%2[Ff](?P<login>(?:(?!%2[Ff]|%40)[^\s\"'<>&@/]){0,128}%3[Aa](?:(?!%2[Ff]|%40)[^\s\"'<>&@/]){1,128})%40"
)
_IP4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,45}(?:\.\d{1,3}){0,3}(?![\w:])")
_LONGEST_NAME: Final = 20


def find_emails(text: str, found: list[Span]) -> None:
    """Add e-mail addresses, also with a percent-encoded `@`."""
    matches = list(_EMAIL.finditer(text))
    if "%40" in text:
        matches.extend(_ENCODED_EMAIL.finditer(text))
    for match in matches:
        if match["local"] == "git" or match["top"].lower() in _NO_TOP:
            continue
        if match["domain"].rpartition(".")[0].replace(".", "").isdigit():
            continue  # a version: `tool@1.2.x`
        found.append(Span(*match.span(), "email"))


def find_url_logins(text: str, found: list[Span]) -> None:
    """Add user and password of URLs; a short user alone (`ssh://git@host`) is no credential."""
    for pattern in (_USERINFO, _ODD_USERINFO):
        for match in pattern.finditer(text):
            login = match["login"]
            if ":" in login or "%3a" in login.lower() or _is_key(login):
                found.append(Span(*match.span("login"), "login"))
    if "%40" in text:
        found.extend(Span(*match.span("login"), "login") for match in _ENCODED_USERINFO.finditer(text))


def _is_key(login: str) -> bool:
    """Tell whether a user without password is long and mixed enough to be a key."""
    return len(login) > _LONGEST_NAME and any(letter.isdigit() for letter in login)


def find_ips(text: str, found: list[Span]) -> None:
    """Add IP addresses of both versions."""
    found.extend(Span(*match.span(), "ip") for match in _IP4.finditer(text) if _is_ip(match[0]))
    found.extend(
        Span(*match.span(), "ip")
        for match in _IP6.finditer(text)
        if match[0].count(":") >= 2 and _is_ip(match[0])
    )


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
