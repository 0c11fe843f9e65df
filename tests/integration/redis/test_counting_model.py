"""Counting against a plain model: any sequence of steps, the same keys after each."""

import asyncio
import os
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.counting_model import NAMES
from tests.support.counting_steps import Again, Consume, Look, Race, Settle, Step, Sweep
from tests.support.counting_world import CLIENTS, World
from tests.support.frozen_clock import FrozenClock
from tests.support.operating_steps import Edge, NewPlan, Operate, Pass, Repeat, Undo

from meterdeck.core.model.changes import Bill
from meterdeck.core.sandbox.valkey import Valkey

EXAMPLES = int(os.environ.get("METERDECK_EXAMPLES", "0"))
"""0: always the same ones; else so many new ones."""

NO_SHRINK = "METERDECK_NO_SHRINK" in os.environ

LONGEST_S = 25.0
"""An example that took longer says nothing: what is kept for ten minutes is not."""

clients = st.integers(0, CLIENTS - 1)
ids = st.sampled_from("abcdefgh")
recent = st.integers(0, 3)
units = st.sampled_from([1, 1, 2, 3, 5, 8, 21])
lost = st.sampled_from([None, None, None, 0, 1, 2])
wanted = st.dictionaries(
    st.sampled_from(NAMES), units, min_size=1, max_size=len(NAMES)
).map(lambda each: tuple(each.items()))
few = st.dictionaries(st.sampled_from(NAMES), units, min_size=1, max_size=2).map(
    lambda each: tuple(each.items())
)

consumes = st.builds(
    Consume,
    client=clients,
    wanted=st.one_of(few, wanted),
    call_id=st.one_of(st.just(""), ids),
    lose=lost,
)
limited = st.builds(
    lambda client, size, call_id, lose: Consume(
        client, ((STORAGE, size),), call_id, 0, ((STORAGE, 6),), lose
    ),
    clients,
    units,
    st.one_of(st.just(""), ids),
    lost,
)
reserves = st.builds(
    Consume,
    client=clients,
    wanted=few,
    call_id=ids,
    hold_s=st.sampled_from([60, 120, 3600]),
    lose=lost,
)
settles = st.builds(
    Settle,
    client=clients,
    how=st.sampled_from(["release", "confirm"]),
    which=st.sampled_from([0, 0, 1, 2, 3, -1]),
    part=st.sampled_from([None, None, 0, 1, 2, 50]),
    only=st.booleans(),
    lose=lost,
)
adjusts = st.builds(
    Operate,
    client=clients,
    kind=st.sampled_from(
        ["adjust:add", "adjust:subtract", "adjust:set", "adjust:reset"]
    ),
    resource=st.sampled_from(NAMES),
    amount=st.sampled_from([0, 1, 2, 5, 11]),
    saw=st.sampled_from(["any", "any", "right", "wrong"]),
    bill=st.sampled_from(Bill),
    lose=lost,
)
overrides = st.builds(
    Operate,
    client=clients,
    kind=st.sampled_from(["override:set", "override:set", "override:clear"]),
    resource=st.sampled_from([CALLS, IMAGES, SEATS]),
    amount=st.sampled_from([0, 2, 9, 14, 25, 99]),
    ends_s=st.sampled_from([None, None, 60, 60, 7200, -60]),
    lose=lost,
)
undos = st.builds(Undo, clients, recent, lost)
repeats = st.builds(Repeat, clients, recent, st.sampled_from([False, False, True]))
rules = st.sampled_from(
    ["hard", "soft", "shadow", "hard 50 -", "hard - 3600", "hard 20 7200", ""]
)
planned = st.sampled_from(["", "", "", "0", "4", "15", "unlimited"])
cycles = st.sampled_from(
    [
        (),
        (("anchor", "3472724820"), ("interval", "month"), ("interval_count", "1")),
        (("anchor", "3474143220"), ("interval", "month"), ("interval_count", "1")),
        (("anchor", "3472724820"), ("interval", "week"), ("interval_count", "2")),
        (("anchor", "3472724820"), ("interval", "day")),
    ]
)
plans = st.builds(
    lambda calls, images, seats, of_images, of_seats, cycle: NewPlan(
        tuple(
            (name, value)
            for name, value in (
                (f"limit:{CALLS}", calls),
                (f"limit:{IMAGES}", images),
                (f"limit:{SEATS}", seats),
                (f"rule:{IMAGES}", of_images),
                (f"rule:{SEATS}", of_seats),
            )
            if value
        )
        + cycle
    ),
    planned,
    planned,
    planned,
    rules,
    rules,
    cycles,
)
races = st.lists(consumes, min_size=2, max_size=3).map(lambda calls: Race(tuple(calls)))
minutes = st.builds(Pass, st.sampled_from([1, 1, 1, 2, 2, 15, 60, 1500]), st.booleans())
edges = st.builds(Edge, st.sampled_from([CALLS, SEATS]), st.booleans())
weights: list[tuple[int, st.SearchStrategy[Step]]] = [
    (6, consumes),
    (1, limited),
    (2, st.builds(Again, clients, recent, lost)),
    (5, reserves),
    (6, settles),
    (4, adjusts),
    (2, overrides),
    (2, undos),
    (1, repeats),
    (1, plans),
    (2, races),
    (3, minutes),
    (1, edges),
    (1, st.builds(Look, clients)),
    (1, st.builds(Sweep, clients, lost)),
]
# A strategy that is named twice is taken once; a mapped one is another each time.
steps: st.SearchStrategy[Step] = st.one_of(
    *(each.map(lambda step: step) for weight, each in weights for _ in range(weight))
)


@st.composite
def ends(draw: st.DrawFn) -> list[Step]:
    """An override or a reservation ends, to the millisecond, and somebody is there."""
    name, client = draw(st.sampled_from([CALLS, IMAGES, SEATS])), draw(clients)
    size = draw(units)
    override = Operate(client, "override:set", name, size, ends_s=60)
    reserve = Consume(client, ((name, size),), draw(ids), 60)
    first: Step = override if draw(st.booleans()) else reserve
    between = draw(st.lists(steps, max_size=1))
    then: list[Step] = [
        Consume(client, ((name, 1),)),
        Consume(client, ((name, 4),)),
        Settle(client, "release", 0),
        Settle(client, "confirm", 0),
        Operate(client, "override:clear", name),
        Operate(client, "adjust:add", name, 3, "right"),
        Undo(client, 0),
        Look(client),
    ]
    minute = Pass(1, noticed=draw(st.booleans()))
    return [first, *between, minute, draw(st.sampled_from(then))]


@st.composite
def beyond(draw: st.DrawFn) -> list[Step]:
    """A limit is passed, and what is taken beyond it is given back or ends."""
    name, client, call_id = draw(st.sampled_from(NAMES)), draw(clients), draw(ids)
    return [
        Consume(client, ((name, draw(st.sampled_from([8, 9, 20]))),)),
        Consume(client, ((name, draw(st.sampled_from([1, 2, 4]))),), call_id),
        Pass(draw(st.sampled_from([0, 59, 60, 61])), noticed=draw(st.booleans())),
        Consume(client, ((name, 1),), draw(ids)),
        Settle(draw(clients), "release", draw(st.sampled_from([0, 1]))),
        Consume(client, ((name, 1),)),
    ]


@st.composite
def borders(draw: st.DrawFn) -> list[Step]:
    """The last millisecond of a period and the first of the next, by clients that
    noticed and by one that believes in the old period."""
    name = draw(st.sampled_from([CALLS, SEATS]))
    one, other = draw(clients), draw(clients)
    then: list[Step] = [
        Consume(other, ((name, 2),), draw(ids)),
        Operate(one, "adjust:add", name, 3, "right"),
        Undo(one, 0),
    ]
    return [
        Consume(one, ((name, 1),)),
        Operate(one, "adjust:add", name, 1),
        Edge(name, noticed=True),
        Consume(one, ((name, 1),)),
        Edge(name, noticed=draw(st.booleans())),
        *draw(st.permutations(then)),
        Consume(one, ((name, 1),)),
    ]


scenes: st.SearchStrategy[list[Step]] = st.one_of(
    steps.map(lambda step: [step]),
    *(ends() for _ in range(6)),
    *(beyond() for _ in range(3)),
    *(borders() for _ in range(2)),
)
starts = st.sampled_from(
    [
        datetime(2080, 1, 31, 13, 30, tzinfo=UTC),
        datetime(2080, 2, 28, 23, 58, tzinfo=UTC),
        datetime(2080, 12, 31, 23, 0, tzinfo=UTC),
    ]
)


async def play(world: World, start: datetime, chosen: list[Step]) -> None:
    """Do all steps; in the end every id that is known gets its first answer."""
    await world.begin(start)
    for step in chosen:
        await step.run(world)
    for which in range(len(world.model.calls)):
        await Again(0, which).run(world)


@pytest.mark.parametrize(
    ("kind", "examples"), [("valkey_server", 120), ("redis7_server", 60)]
)
@pytest.mark.timeout(600)  # what fails is made as short as possible first
def test_every_sequence_of_steps_leaves_the_keys_that_the_model_has(
    kind: str,
    examples: int,
    request: pytest.FixtureRequest,
    frozen_clock: FrozenClock,
) -> None:
    """Consume, reserve, confirm, release, expire, adjust, override, undo, another plan
    or cycle, a period's end, by three clients, alone and at once, with repeated ids
    and lost answers."""
    server: Valkey = request.getfixturevalue(kind)
    loop = asyncio.new_event_loop()
    world = World(server.url, frozen_clock)

    @settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate] if NO_SHRINK else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(starts, st.lists(scenes, min_size=15, max_size=24))
    def check(start: datetime, chosen: list[list[Step]]) -> None:
        try:
            loop.run_until_complete(
                play(world, start, [step for scene in chosen for step in scene])
            )
        except AssertionError:
            assume(world.took_s < LONGEST_S)
            raise

    try:
        loop.run_until_complete(world.__aenter__())
        check()
    finally:
        loop.run_until_complete(world.__aexit__())
        loop.close()
