"""Secrets and personal data out of every document, before it reaches the disk; see docs/explanation/redaction.md."""

from __future__ import annotations

from shipper.enrich.redact.policy import OPTIONAL_PATTERNS, PATTERNS, Policy
from shipper.enrich.redact.pseudonym import Keyring, KeyringError
from shipper.enrich.redact.redactor import Redactor

__all__ = ["OPTIONAL_PATTERNS", "PATTERNS", "Keyring", "KeyringError", "Policy", "Redactor"]
