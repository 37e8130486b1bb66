"""The redaction that the settings ask for: wires the schema's classes and the keys to `shipper.enrich.redact`."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from shipper.ecs.fields import FIELDS
from shipper.enrich.redact import OPTIONAL_PATTERNS, PATTERNS, Keyring, KeyringError, Policy, Redactor
from shipper.errors import ConfigurationError

if TYPE_CHECKING:
    from shipper.setting_groups import RedactSettings


def redactor(settings: RedactSettings) -> Redactor | None:
    """Return the redactor that the settings ask for; None where redaction is off.

    Raises:
        ConfigurationError: a pattern, a key or the key file is not usable, or two settings contradict each other.
    """
    if not settings.enabled:
        if settings.locals_frames:
            raise ConfigurationError(
                "redact.locals_frames needs redact.enabled: locals are never shown as they are."
            )
        return None
    keyring = keyring_of(settings)
    if settings.personal == "pseudonym" and keyring is None:
        raise ConfigurationError(
            "redact.personal = pseudonym needs a key: give redact.key_file (`shipper redact key` makes one)."
        )
    return Redactor(FIELDS, _policy(settings), keyring)


@lru_cache(maxsize=1)
def default_redactor() -> Redactor:
    """Return the redactor of the default settings, without pseudonyms."""
    return Redactor(FIELDS)


def shown(payload: bytes, by: Redactor | None, *, indent: int | None = None) -> str:
    """Return a record of anybody as text that may be shown: redacted, JSON where it is JSON. Total.

    Args:
        by: what redacts; None: the default, for what is shown is always redacted.
    """
    chosen = by or default_redactor()
    try:
        found = json.loads(payload)
        if isinstance(found, dict):
            # As a document first, then as text: names that no schema of ours knows are judged there.
            chosen.apply(found)
            text = json.dumps(found, ensure_ascii=False, indent=indent)
            return chosen.scan(text.encode("utf-8", "backslashreplace").decode())
    except (ValueError, RecursionError):
        pass
    return chosen.scan(payload.decode("utf-8", "backslashreplace"))


def keyring_of(settings: RedactSettings) -> Keyring | None:
    """Return the keys of pseudonyms, from `redact.key` or else `redact.key_file`; None where there is neither.

    Raises:
        ConfigurationError: they cannot be read.
    """
    given = settings.key.get_secret_value()
    source = "redact.key"
    if not given and settings.key_file is not None:
        source = f"The key file {settings.key_file}"
        try:
            given = settings.key_file.expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigurationError(f"{source} cannot be read: {reason}.") from None
    elif not given:
        return None
    try:
        return Keyring.parse(given)
    except KeyringError as error:
        raise ConfigurationError(f"{source} is not usable: {error}.") from None


def _policy(settings: RedactSettings) -> Policy:
    unknown = set(settings.off) - set(PATTERNS)
    if unknown:
        raise ConfigurationError(
            f"redact.off names {', '.join(sorted(unknown))}; there are {', '.join((*PATTERNS, *OPTIONAL_PATTERNS))}."
        )
    return Policy(
        off=frozenset(settings.off),
        ip=settings.ip,
        keys=_plain(settings.keys),
        allowed=_plain(settings.allow),
        patterns=tuple(_compiled(pattern) for pattern in settings.patterns),
        personal=settings.personal,
        pseudonyms=frozenset(settings.pseudonyms),
    )


def _plain(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.replace("-", "").replace("_", "").replace(" ", "").lower() for name in names)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ConfigurationError(
            f"redact.patterns: {pattern!r} is not a regular expression: {error}."
        ) from None
