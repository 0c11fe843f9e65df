"""Many tenants' limits by one command: previewed, then set."""

from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from tests.integration.cli.conftest import CommandLine

WORDS = (
    "override", "set", "--filter", "plan:pro api_calls>50%", "api_calls", "+20%",
    "--until", "3d", "--reason", "launch",
)  # fmt: skip


@pytest.fixture
def fleet(store: redis.Redis) -> redis.Redis:
    """Of three tenants on plan pro one is at its limit, one below half of it."""
    seconds, _ = store.time()
    month = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    for name, plan, used in (
        ("acme", "pro", 100_000), ("globex", "pro", 60_000), ("initech", "pro", 7),
        ("hooli", "free", 1000),
    ):  # fmt: skip
        limit = "100000" if plan == "pro" else "1000"
        entry: dict[Any, Any] = {"name": name, "plan": plan, "limit:api_calls": limit}
        store.hset(f"meterdeck:tenant:{name}", mapping=entry)
        store.sadd("meterdeck:tenants", name)
        store.set(f"usage:{name}:api_calls:{month}", used)
    return store


def test_without_yes_the_filtered_tenants_are_only_shown(
    cli: CommandLine, fleet: redis.Redis
) -> None:
    """Who is refused no more comes first; no override is in force after it."""
    done = cli(*WORDS)

    assert done.code == 0
    assert done.out.splitlines()[0].split() == [
        "acme", "acme", "100,000", "→", "120,000", "refused", "→", "allowed"
    ]  # fmt: skip
    assert "2 limits of API calls: 2 raised, 0 lowered" in done.out
    assert "1 tenant refused now will be allowed" in done.out
    assert "nothing was changed; --yes changes it" in done.err
    assert not fleet.exists("meterdeck:overridden")


def test_with_yes_each_has_its_override_once(
    cli: CommandLine, fleet: redis.Redis
) -> None:
    """A repeat with the same operation id changes nothing, and each trail has one."""
    words = (*WORDS, "--yes", "--operation-id", "op-1", "--json")
    done = cli(*words).json

    assert [each["tenant"] for each in done["changes"]] == ["acme", "globex"]
    assert done["changes"][0]["fate"] == "freed"
    assert (done["changed"], done["failed"]) == (2, [])
    for name in ("acme", "globex"):
        assert fleet.hget(f"meterdeck:override:{name}:api_calls", "units") == b"120000"
    assert not fleet.exists("meterdeck:override:initech:api_calls")

    again = cli(*words)
    assert again.code == 1
    assert {each["why"] for each in again.json["failed"]} == {
        "this operation id was used for another change before; nothing was changed"
    }
    assert fleet.xlen("meterdeck:audit:acme") == 1

    gone = cli(
        *("override", "clear", "--filter", "plan:pro", "api_calls"),
        *("--reason", "over", "--yes", "--json"),
    ).json
    assert gone["changes"][0] == {
        "tenant": "acme", "before": 120_000, "after": 100_000, "fate": "caught"
    }  # fmt: skip
    assert gone["left_out"] == [{"tenant": "initech", "why": "no override"}]
    assert gone["changed"] == 2
    assert not fleet.exists("meterdeck:override:acme:api_calls")


def test_a_filter_that_cannot_be_read_changes_nothing(
    cli: CommandLine, fleet: redis.Redis
) -> None:
    """The sentence is the one of `tenants --filter`."""
    words = tuple("colour:red" if word == WORDS[3] else word for word in WORDS)
    done = cli(*words, "--yes")

    assert done.code == 2
    assert "colour" in done.err
    assert not fleet.exists("meterdeck:overridden")
