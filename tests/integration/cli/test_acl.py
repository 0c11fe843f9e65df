"""`meterdeck acl`: users are printed, compared, and made on real servers."""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller

from meterdeck.core.sandbox.valkey import Valkey

ANA = "ana"


@pytest.fixture
def server(redis_server: Valkey) -> Iterator[redis.Redis]:
    """Each kind of server in turn, without the users that a test makes."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.acl_deluser(ANA)
        yield client
        client.acl_deluser(ANA)


def test_a_user_is_previewed_made_and_then_as_it_should_be(
    cli: CommandLine, server: redis.Redis, redis_server: Valkey
) -> None:
    """What somebody adds by hand is shown, and taken away by the next apply."""
    words = ("acl", "support", "--user", ANA, "--redis-url", redis_server.url)
    apply = (*words, "--apply")

    preview = cli(*apply, "--dry-run")
    assert "ana  is new, with" in preview.out
    assert server.acl_getuser(ANA) is None
    locked = cli(*apply)
    assert "so nobody can log in" in locked.out
    made = cli(*apply, "--generate", "--json").json
    password = made["passwords"][ANA]
    with redis.Redis.from_url(
        redis_server.url, username=ANA, password=password
    ) as client:
        assert client.acl_whoami() == ANA
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
    assert (made["applied"], made["kept"]) == (True, False)

    again = cli(*apply)
    assert again.out == "ana  is as it should be\n"
    server.script_flush()  # as after a restart: what people run has to be there again
    assert "scripts the server does not have\n" in cli(*apply).out
    assert cli(*apply).out == "ana  is as it should be\n"
    server.acl_setuser(ANA, enabled=False, commands=["+flushall"])
    mended = cli(*apply)
    assert "loses 1 rule; is switched on" in mended.out
    assert "  - +flushall" in mended.out
    assert cli(*apply).out == "ana  is as it should be\n"
    with redis.Redis.from_url(
        redis_server.url, username=ANA, password=password
    ) as client:
        assert client.ping()


def test_no_password_is_printed_but_one_that_was_asked_for(
    cli: CommandLine, server: redis.Redis, redis_server: Valkey
) -> None:
    """Rules carry hashes; what is printed makes the user on the server it asks."""
    url = ("--redis-url", redis_server.url)
    known = hashlib.sha256(b"secret").hexdigest()
    words = ("acl", "viewer", "--user", ANA, *url)
    hashed = cli(*words, "--hash", known).out
    (made,) = cli(*words, "--generate", "--json").json["users"]

    assert "secret" not in hashed
    line = next(each for each in hashed.splitlines() if each.startswith("ACL SETUSER"))
    server.execute_command(*line.split())  # type: ignore[no-untyped-call]  # the library's
    with redis.Redis.from_url(
        redis_server.url, username=ANA, password="secret"
    ) as client:
        assert client.acl_whoami() == ANA
    digest = hashlib.sha256(made["password"].encode()).hexdigest()
    assert made["password_hash"] == digest
    assert f"#{digest}" in made["file"]
    assert made["password"] not in made["file"] + made["setuser"]
    nothing = cli("acl", *url)
    assert nothing.out.count("ACL SETUSER") == 8
    assert "#" not in "".join(
        each for each in nothing.out.splitlines() if not each.startswith("#")
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("boss",), 2, "there are: application, worker"),
        (("--user", "x"), 2, "are for one role"),
        (("viewer", "--server", "6.2"), 2, "needs Redis 7.0"),
        (("viewer", "--user", "default"), 2, "whoever gives no name"),
        (("viewer", "--hash", "abc"), 2, "64 digits"),
        (("viewer", "--apply", "--context", "production"), 1, "add --yes"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence(
    cli: CommandLine, words: tuple[str, ...], code: int, said: str
) -> None:
    """Wrong words end with 2; a live context wants to be asked."""
    done = cli("acl", *words)

    assert (done.code, said in done.err) == (code, True), done.err


def test_a_server_that_is_named_need_not_be_there(cli: CommandLine) -> None:
    """With --server nobody is asked."""
    done = cli("acl", "worker", "--server", "valkey-9.1", "--context", "away", "--file")

    assert done.code == 0
    assert "user meterdeck-worker on resetchannels -@all " in done.out
    assert "Rules for Valkey 9.1" in done.out


def test_the_permissions_of_stripe_keys_are_printed(cli: CommandLine) -> None:
    """In the words of Stripe's dashboard; no server is asked."""
    told = cli("acl", "worker", "application", "--stripe", "--context", "away").out

    assert "Billing Meter Events  Write  usage that is sent" in told
    assert "application  needs no Stripe key" in told
    form = cli("acl", "deploy", "--stripe", "--json").json["permissions"]["deploy"]
    assert {"resource": "Prices", "access": "Write"}.items() <= form[-1].items()


LOOKING = """
tenants; tenants --filter acme; usage acme --history; why acme; events; letters; audit
audit acme; audit --verify; override list; alerts; health; closing; handoff; cost acme
doctor; reconcile; catalogue; catalogue plan
"""
"""What a viewer does, a command each."""


@pytest.fixture
def by_role(
    stripe_cli: CommandLine, store: redis.Redis, stripe_server: tuple[Seller, str]
) -> Iterator[Callable[[str], CommandLine]]:
    """The command line with a role's user; acme has used 12 calls."""
    seller, _ = stripe_server
    seller.meter("api_requests")
    seller.local.call(
        "POST", "/v1/customers", {"name": "Acme", "metadata": {"tenant": "acme"}}
    )
    month = datetime.fromtimestamp(store.time()[0], UTC)
    store.incrby(f"usage:acme:api_calls:{month:%Y-%m}", 12)
    made = stripe_cli("acl", "--apply", "--generate", "--json").json["passwords"]
    text = stripe_cli.config.read_text()

    def as_role(role: str) -> CommandLine:
        name = f"meterdeck-{role}"
        stripe_cli.config.chmod(0o600)
        table = f"username = {name!r}\npassword = {made[name]!r}\ntimeout_seconds"
        stripe_cli.config.write_text(text.replace("timeout_seconds", table))
        denied(store)
        return stripe_cli

    yield as_role
    for name in made:
        store.acl_deluser(name)


@pytest.mark.shows_secrets("passwords that were asked for")
def test_roles_are_enough_for_the_worker_and_for_everybody_who_looks(
    by_role: Callable[[str], CommandLine], store: redis.Redis
) -> None:
    """The server's own log of refusals stays empty."""
    done = by_role("worker")("sync", "--once", "--json")
    assert (done.code, done.json["delivered"]) == (0, 1)
    assert denied(store) == ["config|get"]
    viewer = by_role("viewer")
    for words in filter(None, map(str.strip, re.split(r"[;\n]", LOOKING))):
        done = viewer(*words.split(), "--read-only")
        # Settings have passwords among them: INFO has to be enough.
        assert set(denied(store)) <= {"config|get"}, words
        assert done.code == 0 or words in ("health", "doctor"), done


def denied(store: redis.Redis) -> list[str]:
    """Return what the server refused, and have it forget that."""
    found = [str(entry["object"]) for entry in store.acl_log()]
    store.acl_log_reset()
    return found
