"""Our side of TLS for kafka-python: whom we trust, who we are, and sockets that do not outlive a failed handshake."""

from __future__ import annotations

import ssl

from shipper.config import KafkaSettings
from shipper.errors import AccessRefused
from shipper.kafka.secrets import key_password


class _ClosingTls(ssl.SSLSocket):
    """Closes itself when a handshake fails; the client leaves such sockets to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Go on with the handshake. Raises SSLError, OSError."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Return the context that the files of the settings give.

    Raises:
        AccessRefused: one of them cannot be used; it may be put right while we wait.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _ClosingTls
    password = key_password(settings)
    for what, path in (("trusted certificates", settings.ssl_cafile), ("certificate", settings.ssl_certfile)):
        if path is None:
            continue
        try:
            if path is settings.ssl_cafile:
                context.load_verify_locations(path)
            else:
                # Never a prompt: without a password OpenSSL would ask the terminal.
                context.load_cert_chain(path, settings.ssl_keyfile, lambda: password)
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise AccessRefused(
                settings.bootstrap_servers, f"the {what} in {path} cannot be used: {why}"
            ) from error
    return context
