"""Who is at risk: at a limit, over 90 percent of it, or there within two hours."""

from datetime import timedelta

from tests.tui.pictures import NOW, believable, context, counters, first_picture, update

from meterdeck.core.services.at_risk import at_risk
from meterdeck.core.services.fleet import Fleet


def fleet() -> Fleet:
    """Return a fleet in which one tenant at 33 percent is full within the hour."""
    made, tenants = Fleet(context()), believable()
    made.apply(first_picture(tenants, NOW))
    fast = tenants[11].id
    row = made.row_of(fast)
    assert row is not None
    used = made.used(row, 0)
    assert isinstance(used, int)
    for seconds in (35, 70):
        moved = counters(0, {fast: used + 200 * seconds})
        made.apply(update(NOW + timedelta(seconds=seconds), counters=(moved,)))
    return made


def test_the_most_urgent_come_first_and_those_that_soon_are() -> None:
    """Full ones, then by the time that is left, then by percent."""
    found, more = at_risk(fleet(), 100)

    told = [(risk.tenant.id, risk.resource.name, risk.full_in) for risk in found]
    full = [risk.full for risk in found]
    assert full == sorted(full, reverse=True)
    assert (told[2][0], told[2][1]) == (believable()[11].id, "api_calls")
    assert told[2][2] is not None
    assert told[2][2] < timedelta(hours=2)
    assert all(risk.percent > 90 for risk in found if risk.full_in is None)
    assert more == 0


def test_what_does_not_fit_is_counted() -> None:
    """Nobody is left out without a word."""
    everything, _ = at_risk(fleet(), 100)

    assert at_risk(fleet(), 3) == (everything[:3], len(everything) - 3)
