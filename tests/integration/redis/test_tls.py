"""Certificates are verified: of Redis, of Stripe, and of who is told of alerts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import stripe
from tests.support.contexts import redis_context
from tests.support.redis_server import ask_node, free_ports
from tests.support.stripe_faults import FaultServer, page
from tests.support.tls import Authority, before
from tests.support.webhook_sink import webhook_sink

from meterdeck.core.adapters.redis_client import (
    RoutedRedis,
    open_redis,
    redis_errors,
)
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.webhook_sender import WebhookSender
from meterdeck.core.errors import (
    ConfigError,
    RedisUnreachable,
    StripeUnreachable,
)
from meterdeck.core.model.context import (
    AlertWebhook,
    ClusterOptions,
    Context,
    Mode,
    RedisOptions,
    Secret,
    StripeOptions,
    unverified,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey

NAME = "redis.example.com"
LIVE_KEY = Secret("rk_live_" + "1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts but who is told to."""
    return Authority.in_folder(tmp_path_factory.mktemp("tls"))


async def answer_of(options: RedisOptions) -> object:
    """Ask a server for a sign of life."""
    client = open_redis(options, connections=1)
    try:
        with redis_errors():
            return await client.ping()
    finally:
        await client.aclose()


@asynccontextmanager
async def encrypted(
    valkey: Valkey, authority: Authority, name: str = "127.0.0.1", **how: bool
) -> AsyncIterator[RedisOptions]:
    """Serve Valkey with a certificate of that name."""
    async with before(valkey.url, authority.server(name, **how)) as port:
        yield RedisOptions(url=f"rediss://127.0.0.1:{port}/0", timeout_s=10.0)


async def test_redis_whose_authority_nobody_trusts_is_not_talked_to(
    valkey: Valkey, authority: Authority
) -> None:
    """Refused in one sentence; with ssl_ca_certs the same server answers."""
    async with encrypted(valkey, authority) as options:
        with pytest.raises(RedisUnreachable, match="certificate is not accepted: "):
            await answer_of(options)

        trusting = replace(options, url=f"{options.url}?ssl_ca_certs={authority.file}")
        assert await answer_of(trusting) is True


async def test_redis_with_a_certificate_of_another_name_is_not_talked_to(
    valkey: Valkey, authority: Authority
) -> None:
    """The authority alone is not enough; only tls_verify = false lets it pass."""
    async with encrypted(valkey, authority, NAME) as options:
        trusting = replace(options, url=f"{options.url}?ssl_ca_certs={authority.file}")
        with pytest.raises(RedisUnreachable, match=r"is not accepted: .*IP"):
            await answer_of(trusting)

        assert await answer_of(replace(options, tls_verify=False)) is True


async def test_a_locked_key_opens_with_its_password_and_asks_nobody(
    valkey: Valkey, authority: Authority, tmp_path: Path
) -> None:
    """Without it the connection fails at once: OpenSSL must not ask on a terminal."""
    certificate, key = authority.client(tmp_path, "key-password")
    async with encrypted(valkey, authority, clients=True) as plain:
        files = f"ssl_certfile={certificate}&ssl_keyfile={key}"
        url = f"{plain.url}?ssl_ca_certs={authority.file}&{files}"
        options = replace(plain, url=url, tls_key_password=Secret("key-password"))

        assert await answer_of(options) is True
        for wrong in (None, Secret("another-one")):
            with pytest.raises(RedisUnreachable):
                await answer_of(replace(options, tls_key_password=wrong))


async def test_a_cluster_opens_the_locked_key_for_each_of_its_connections(
    authority: Authority, tmp_path: Path
) -> None:
    """The library's own, which find the nodes, and ours for what is sent only once."""
    certificate, key = authority.client(tmp_path, "key-password")
    async with alone(tmp_path) as node, encrypted(node, authority, clients=True) as at:
        # Nodes are told by the address that they announce: the door with TLS.
        port = urlsplit(at.url).port or 0
        await ask_node(node, "CONFIG", "SET", "cluster-announce-port", port)
        files = f"ssl_certfile={certificate}&ssl_keyfile={key}"
        options = RedisOptions(
            url=f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.file}&{files}",
            layout=KeyLayout(tagged=True),
            cluster=ClusterOptions(()),
            tls_key_password=Secret("key-password"),
        )
        client = open_redis(options, connections=1)
        assert isinstance(client, RoutedRedis)
        try:
            assert await client.ping()
            pool = await client.pool_of(0)
            await pool.release(await pool.get_connection())
        finally:
            await client.aclose()
        for wrong in (None, Secret("another-one")):
            with pytest.raises(RedisUnreachable):
                await answer_of(replace(options, tls_key_password=wrong))


@asynccontextmanager
async def alone(folder: Path) -> AsyncIterator[Valkey]:
    """Run a cluster of one node."""
    port, bus = free_ports(2)
    settings = {"cluster-enabled": "yes", "cluster-port": str(bus)}
    node = Valkey(data_dir=folder / "node", port=port, settings=settings)
    await node.start()
    try:
        await ask_node(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        yield node
    finally:
        await node.stop()


async def test_a_stripe_whose_certificate_is_not_trusted_gets_no_key(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request arrives; where its authority is trusted, the same server answers."""
    async with (
        FaultServer(page()) as server,
        before(server.base_url, authority.server()) as port,
    ):
        options = StripeOptions(
            Secret("sk_test_1"), f"https://127.0.0.1:{port}", timeout_s=10.0
        )
        gateway = StripeGateway(options, Mode.TEST)
        try:
            with pytest.raises(StripeUnreachable, match="cannot be reached"):
                await gateway.ping()
        finally:
            await gateway.close()
        assert not server.asked

        monkeypatch.setattr(stripe, "ca_bundle_path", str(authority.file))
        gateway = StripeGateway(options, Mode.TEST)
        try:
            assert await gateway.meters() == ()
        finally:
            await gateway.close()


async def test_a_webhook_whose_certificate_is_not_trusted_is_told_nothing(
    authority: Authority,
) -> None:
    """The reason names the certificate, never the address."""
    async with (
        webhook_sink() as sink,
        before(sink.url, authority.server()) as port,
    ):
        url = Secret(f"https://127.0.0.1:{port}/hooks/a-secret-path")
        webhook = AlertWebhook(url, "127.0.0.1", Secret("0123456789abcdef"))
        sender = WebhookSender(webhook, 10.0)
        try:
            said = await sender.send("d-1", "{}")
        finally:
            await sender.close()

        assert said == "its certificate is not accepted"
        assert sink.pushes == []


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (StripeOptions(LIVE_KEY, "https://stripe.example.com"), "stripe.api_base"),
        (
            StripeOptions(LIVE_KEY, meter_events_base="https://api.example.com"),
            "stripe.meter_events_base",
        ),
        (StripeOptions(LIVE_KEY, "http://127.0.0.1:12111"), "stripe.api_base"),
    ],
)
def test_a_live_key_goes_to_stripe_and_nowhere_else(
    options: StripeOptions, setting: str
) -> None:
    """Also where a program makes the options itself, past any configuration."""
    with pytest.raises(ConfigError, match=f"{setting}: is not Stripe, and the context"):
        StripeGateway(options, Mode.LIVE)
    with pytest.raises(ConfigError, match=setting):
        StripeRequests(options, Mode.LIVE)


def test_a_live_context_cannot_leave_certificates_unverified() -> None:
    """In a test context it can, and has a sentence to be said."""
    context = redis_context("rediss://h")
    loose = replace(context, redis=replace(context.redis, tls_verify=False))

    assert "NOT verified" in unverified(loose)
    assert unverified(context) == ""
    with pytest.raises(ConfigError, match="tls_verify: is false, and the context is"):
        _ = live(loose)


def live(context: Context) -> Context:
    """Return the same context, marked live."""
    return replace(context, mode=Mode.LIVE)
