"""The server: inside the caller's loop, quiet, prompt, one sentence when it cannot."""

import asyncio
import logging
import signal
import socket
import time

import aiohttp
import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer

_AUTH = {"Authorization": "Bearer sk_test_sandbox"}


async def test_a_port_in_use_is_one_sentence(server: LocalStripeServer) -> None:
    """It names the address and what to do."""
    port = int(server.base_url.rpartition(":")[2])

    with pytest.raises(ConfigError) as refused:
        async with LocalStripeServer(LocalStripe(), port=port):
            pass

    assert (
        f"local Stripe address 127.0.0.1:{port}: cannot be bound (Address already in"
        " use); choose another port, or 0 for any free one"
    ) == str(refused.value)


async def test_it_ends_promptly_with_open_connections() -> None:
    """Idle keep-alive connections do not hold it up."""
    async with aiohttp.ClientSession(headers=_AUTH) as http:
        async with LocalStripeServer(LocalStripe()) as server:
            async with http.get(f"{server.base_url}/v1/account") as response:
                await response.read()
            started = time.monotonic()
        took = time.monotonic() - started

    # A server that waits for its clients would take their whole keep-alive time.
    assert took < 5


async def test_its_port_is_free_again_at_once() -> None:
    """A second server may take the same port right after the first."""
    async with LocalStripeServer(LocalStripe()) as server:
        port = int(server.base_url.rpartition(":")[2])
        async with (
            aiohttp.ClientSession(headers=_AUTH) as http,
            http.get(f"{server.base_url}/v1/account") as response,
        ):
            assert response.status == 200

    async with LocalStripeServer(LocalStripe(), port=port) as again:
        assert server.base_url == again.base_url


async def test_answers_are_sent_without_delay(server: LocalStripeServer) -> None:
    """Nagle's delay is off: on, 20 callers got 450 answers a second, not 5,900."""
    async with (
        aiohttp.ClientSession(headers=_AUTH) as http,
        http.get(f"{server.base_url}/v1/account"),
    ):
        # The accepted socket is the server's own business; no answer shows it.
        [connection] = server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")

        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_it_leaves_signals_and_the_terminal_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No handler is installed, and not even a fault prints anything."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    local = LocalStripe()

    async def fault(method: str, path: str) -> None:
        raise RuntimeError(f"{method} {path}")

    local.pace = fault
    async with LocalStripeServer(local) as server:
        during = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        async with (
            aiohttp.ClientSession(headers=_AUTH) as http,
            http.get(f"{server.base_url}/v1/account") as response,
        ):
            status, error = response.status, (await response.json())["error"]

    assert before == during
    assert (status, error["type"]) == (500, "api_error")
    assert capfd.readouterr() == ("", "")


async def test_a_fault_is_logged_for_who_listens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the request, the answer does not name the fault."""
    local = LocalStripe()

    async def fault(method: str, path: str) -> None:
        raise RuntimeError("secret detail")

    local.pace = fault
    with caplog.at_level(logging.ERROR, logger="meterdeck.local_stripe"):
        async with (
            LocalStripeServer(local) as server,
            aiohttp.ClientSession(headers=_AUTH) as http,
            http.get(f"{server.base_url}/v1/account") as response,
        ):
            text = await response.text()

    assert "local stripe failed: GET /v1/account" in caplog.text
    assert "secret detail" not in text


async def test_a_request_in_flight_does_not_hold_the_end_for_ever() -> None:
    """It is given a second, then cancelled and answered 500."""
    local, running = LocalStripe(), asyncio.Event()

    async def hang(method: str, path: str) -> None:
        running.set()
        await asyncio.Event().wait()

    local.pace = hang
    async with aiohttp.ClientSession(headers=_AUTH) as http:
        async with LocalStripeServer(local) as server:
            request = asyncio.create_task(http.get(f"{server.base_url}/v1/account"))
            await running.wait()
        async with asyncio.timeout(10), await request as response:
            assert response.status == 500
