"""`meterdeck health`: what is well and what is not, with an exit code."""

import json

import redis
from tests.integration.cli.conftest import CommandLine


def test_health_ends_with_1_where_nobody_delivers_and_with_0_where_all_is_well(
    stripe_cli: CommandLine,
) -> None:
    """Without Stripe nothing has to be delivered; with it a worker is missing."""
    well = stripe_cli("health", "--json", "--context", "staging")
    assert (well.code, well.json["sound"]) == (0, True), well.out
    items = {each["item"]: each for each in well.json["items"]}
    assert items["eviction"]["result"] == "ok"
    assert items["eviction"]["found"] == "noeviction"
    (server,) = well.json["facts"]["redis"]["servers"]
    assert server["memory"]["policy"] == "noeviction"

    told = stripe_cli("health")
    assert told.code == 1
    assert "none was ever here" in told.out
    assert "start a worker: meterdeck sync" in told.out


def test_health_tells_programs_what_the_last_reconciliation_found(
    stripe_cli: CommandLine, store: redis.Redis
) -> None:
    """Units of each cause as exact text; the counters themselves are left out."""
    counts = {"compared": 3, "unchanged": 0, "not_compared": 0, "settled": 0, "more": 2}
    told = {"at": 1, "by": "one", "took_s": 1.0, "everything": True, "since": None}
    sums = {"rows": [], "drift": [["foreign", "7.5"]]}
    store.hset("meterdeck:syncing", "last_pass", json.dumps({**counts, **told, **sums}))

    last = stripe_cli("health", "--json").json["facts"]["waiting"]["last_pass"]

    assert (last["by"], last["compared"], last["more"]) == ("one", 3, 2)
    assert (last["rows"], last["drift"]) == ([], {"foreign": "7.5"})
