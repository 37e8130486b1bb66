"""Settings to the client's options, and clients that leave nothing open when they fail to start."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from shipper.config import KafkaSettings
from shipper.errors import AccessRefused, BrokerUnavailable
from shipper.kafka.failure import reason, says_no_entry, to_transport_error
from shipper.kafka.secrets import sasl_password
from shipper.kafka.tls import tls_context

_RECONNECT_MAX_S: Final = 2.0
"""Longest pause between attempts to reconnect: a broker that is back is used at once."""


class _ClosingSocket(KafkaNetSocket):  # type: ignore[misc]  # the client is not annotated
    """Connects like the client's own socket, but closes it when that fails.

    The client leaves failed sockets to the garbage collector: during an outage descriptors pile up. Sockets are
    replaced by the scheme of `proxy_url`; there is no proxy here.
    """

    SCHEMES = ("shipper-direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """Return the connected socket."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:  # cancelling is one
            sock.close()
            raise


class _TellingManager(KafkaConnectionManager):  # type: ignore[misc]  # the client is not annotated
    """Keeps why brokers did not let us in. The client tries again until time is up, and then knows only that."""

    def __init__(self, net: Any, refusals: list[Exception], **configuration: Any) -> None:
        super().__init__(net, **configuration)
        self._refusals = refusals

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        """Return the connection to a node."""
        connection = super().get_connection(*arguments, **options)
        if not connection.init_future.is_done:
            connection.init_future.add_errback(partial(self._note, connection))
        return connection

    def _note(self, connection: Any, error: Exception) -> None:
        if says_no_entry(error):
            self._refusals[:] = [error]
        elif self.config["sasl_mechanism"] and connection.broker_version is not None and not self._refusals:
            # A broker answers and hangs up; the client may see only the latter.
            self._refusals.append(
                SaslAuthenticationFailedError("the broker closed the connection while we said who we are")
            )


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the options that producer, consumer and admin client share. Times of the client are milliseconds.

    Raises:
        AccessRefused: the file of a secret or a certificate cannot be used.
    """
    timeout_ms = round(settings.request_timeout_s * 1000)
    options: dict[str, Any] = {
        "bootstrap_servers": [
            server.strip() for server in settings.bootstrap_servers.split(",") if server.strip()
        ],
        "client_id": client_id,
        "request_timeout_ms": timeout_ms,
        "bootstrap_timeout_ms": timeout_ms,
        "reconnect_backoff_max_ms": round(_RECONNECT_MAX_S * 1000),
        "security_protocol": settings.security_protocol,
        "proxy_url": "shipper-direct://",
    }
    if settings.sasl_mechanism:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = sasl_password(settings)
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls_context(settings)
    return options


def open_client(make: Callable[..., Any], settings: KafkaSettings, options: dict[str, Any]) -> Any:
    """Make a client object; it connects at once, for at most `request_timeout_s`.

    Raises:
        TransportError: it could not connect; its sockets are closed.
    """
    networks: list[Any] = []
    refusals: list[Exception] = []

    def make_network(**configuration: Any) -> Any:
        network = KafkaNetClient(
            net=(net := NetworkSelector(**configuration)),
            manager=_TellingManager(net, refusals, **configuration),
        )
        networks.append(network)
        return network

    try:
        return make(**options, kafka_client=make_network)
    except Exception as error:
        # The half-made object is out of reach, its sockets and selector are not.
        for network in networks:
            with suppress(Exception):
                network.close()
            with suppress(Exception):  # consumer and admin client run it in a thread
                network._net.stop()  # noqa: SLF001
        ours = to_transport_error(error, bootstrap_servers=settings.bootstrap_servers)
        if isinstance(ours, BrokerUnavailable) and refusals:
            raise AccessRefused(settings.bootstrap_servers, reason(refusals[-1])) from refusals[-1]
        raise ours from error
