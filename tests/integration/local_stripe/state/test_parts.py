"""Every part of an account is kept, or said not to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.integration.local_stripe.state.account import NOON
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.idempotency import IdempotencyKeys
from meterdeck.core.local_stripe.state.keeper import Keeper, kept_parts
from meterdeck.core.local_stripe.state.parts import NOT_KEPT
from meterdeck.core.local_stripe.state.tracked import TrackedDict
from meterdeck.core.local_stripe.world import World


def world_of(clock: Clock) -> World:
    """Return an empty account's world."""
    return World(clock, summary_lag_s=0, seed=1)


@contextmanager
def kept(path: Path, world: World) -> Iterator[Keeper]:
    """Keep a world while the block runs."""
    keeper = Keeper(path, world, {})
    try:
        yield keeper
    finally:
        keeper.close()


def test_every_attribute_of_the_account_is_kept_or_said_not_to_be(
    clock: Clock,
) -> None:
    """Whoever adds one to the world gets it kept, or has to say why it is not."""
    world = world_of(clock)
    keys = {name: IdempotencyKeys() for name in ("keys", "keys_of_v2")}
    names = {part.name for part in kept_parts(world, keys)}
    holders: dict[str, object] = {f"{name}.": each for name, each in keys.items()}
    holders |= {"": world, "events.": world.events, "reports.": world.reports}

    there = {
        f"{prefix}{attribute}"
        for prefix, holder in holders.items()
        for attribute, value in vars(holder).items()
        if not callable(value)
    }

    assert there - names == set(NOT_KEPT)
    assert all(NOT_KEPT.values())
    assert {"customers", "due", "events.kept", "keys._entries", "sessions"} <= names


@dataclass(frozen=True, kw_only=True)
class Gadget:
    """A record that nobody has thought of."""

    id: str
    at: datetime
    price: Decimal | None = None
    sizes: tuple[int, ...] = ()


def test_another_collection_is_kept_without_work(path: Path, clock: Clock) -> None:
    """Its records come back by their types, in order, replaced and dropped ones too;
    also where somebody puts another collection in its place."""

    def with_gadgets() -> World:
        world = world_of(clock)
        world.gadgets = Collection[Gadget]("gadget", lambda each: each.id[:1])  # type: ignore[attr-defined]  # the point
        return world

    first = Gadget(id="b1", at=NOON, price=Decimal("0.10"), sizes=(1, 2))
    world = with_gadgets()
    with kept(path, world) as keeper:
        for gadget in (first, Gadget(id="a1", at=NOON), Gadget(id="gone", at=NOON)):
            world.gadgets.put(gadget)  # type: ignore[attr-defined]
        keeper.save()
        again = world.gadgets.empty()  # type: ignore[attr-defined]
        again.put(first)
        again.put(Gadget(id="a1", at=NOON, sizes=(3,)))
        again.put(Gadget(id="c1", at=NOON))
        world.gadgets = again  # type: ignore[attr-defined]
        keeper.save()
        again.drop("c1")

    found = with_gadgets()
    with kept(path, found):
        gadgets = found.gadgets  # type: ignore[attr-defined]
        assert list(gadgets) == [first, Gadget(id="a1", at=NOON, sizes=(3,))]
        assert gadgets.grouped("b") == [first]


def test_a_dict_knows_what_is_changed_in_it() -> None:
    """By every method that dicts have for it."""
    values = TrackedDict({"a": 1, "b": 2, "c": 3, "d": 4})

    values["e"] = 5
    del values["a"]
    values.pop("b")
    values.setdefault("c", 0)
    values.setdefault("f", 6)
    values.update({"g": 7}, h=8)
    values |= {"i": 9}
    last = values.popitem()
    changed = dict(values.touched)
    values.clear()

    gone = dict.fromkeys(("a", "b", "i"), True)
    assert changed == {**gone, **dict.fromkeys(("e", "f", "g", "h"), False)}
    assert last == ("i", 9)
    assert all(values.touched.values())
    assert {"c", "d"} <= set(values.touched)
