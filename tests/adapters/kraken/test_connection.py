"""Lines as they are opened: what an attempt costs the event loop that trading runs on."""

import asyncio
import ssl

import pytest

from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_core.errors import ExchangeError


class Deaf:
    def on_message(self, raw):
        raise AssertionError(raw)

    def on_closed(self, reason):
        raise AssertionError(reason)


async def hang_up(_reader, writer):
    writer.close()


async def test_no_attempt_reads_the_certificates_again(monkeypatch):
    read, create = [], ssl.create_default_context

    def counted(*given, **named):
        read.append(1)
        return create(*given, **named)

    transport = PicowsTransport()
    monkeypatch.setattr(ssl, "create_default_context", counted)
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(2):
            with pytest.raises(ExchangeError, match=r"cannot open wss://127\.0\.0\.1"):
                await transport.connect(f"wss://127.0.0.1:{port}", Deaf())
    assert read == []


def test_certificates_and_host_names_are_checked():
    context = PicowsTransport()._ssl
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
