"""How hurried the sweep is: by what it finds that nobody has told."""

from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.sweep_need import SweepNeed

ACME, BETA = TenantId("acme"), TenantId("beta")


def test_a_sweep_that_finds_nothing_new_need_not_hurry() -> None:
    """What the index tells a moment after the sweep has seen it is not new."""
    need = SweepNeed(0.1)
    need.found([ACME])
    need.told([BETA], whole=False)
    need.told([ACME], whole=True)
    need.through()

    assert need.share < 0.01


def test_a_change_that_nobody_told_makes_it_hurry_at_once() -> None:
    """And on, until a whole sweep has found nothing of the kind."""
    need = SweepNeed(0.1)
    need.through()
    need.found([ACME, BETA])
    need.told([BETA], whole=True)
    hurried = need.share
    need.through()
    still = need.share
    need.through()

    assert (hurried, still) == (0.1, 0.1)
    assert need.share < 0.01


def test_without_an_index_it_always_hurries() -> None:
    """On a cluster the sweep alone finds what changed."""
    need = SweepNeed(0.1, indexed=False)
    need.through()

    assert need.share == 0.1
