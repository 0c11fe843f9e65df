"""`meterdeck health`: what is well and what is not, with an exit code."""

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
