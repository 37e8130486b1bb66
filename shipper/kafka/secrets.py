"""Secrets of a connection, from the settings or from files; files are read anew for each connection."""

from __future__ import annotations

from pathlib import Path

from shipper.config import KafkaSettings
from shipper.errors import AccessRefused


def sasl_password(settings: KafkaSettings) -> str:
    """Return the SASL password. Raises AccessRefused if its file cannot be read."""
    if settings.sasl_password_file is None:
        return settings.sasl_password.get_secret_value()
    return _first_line(settings, settings.sasl_password_file)


def key_password(settings: KafkaSettings) -> str:
    """Return the password of the key file, or "". Raises AccessRefused if its file cannot be read."""
    if settings.ssl_key_password_file is None:
        return ""
    return _first_line(settings, settings.ssl_key_password_file)


def _first_line(settings: KafkaSettings, path: Path) -> str:
    """Return a file without the end of its line: a mounted secret often has one. It may be rotated, so: retriable."""
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise AccessRefused(
            settings.bootstrap_servers, f"the secret in {path} cannot be read: {why}"
        ) from error
