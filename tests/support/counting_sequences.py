"""Sequences of the counting model's steps: single ones, and scenes of several."""

from datetime import UTC, datetime

from hypothesis import strategies as st
from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.counting_model import NAMES
from tests.support.counting_steps import (
    Again,
    Consume,
    Look,
    Race,
    Settle,
    Step,
    Sweep,
)
from tests.support.counting_world import CLIENTS
from tests.support.operating_steps import Edge, NewPlan, Operate, Pass, Repeat, Undo

from meterdeck.core.model.changes import Bill

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
    """In a new period a limit is passed, and again, until its grace is over; what was
    taken beyond it is given back."""
    name, client = draw(st.sampled_from([*NAMES, IMAGES, SEATS])), draw(clients)
    full = {CALLS: 20, IMAGES: 9, SEATS: 8}.get(name, 6)
    pauses = draw(st.sampled_from([(30, 30), (30, 29), (0, 60), (59, 2), (0, 0)]))
    again = Consume(draw(clients), ((name, draw(st.sampled_from([1, 1, 2]))),))
    return [
        NewPlan(()) if draw(st.booleans()) else Look(client),
        Edge(name, noticed=True),
        Edge(name, noticed=draw(st.booleans())),
        Consume(client, ((name, full - draw(st.sampled_from([0, 1]))),)),
        Consume(client, ((name, draw(st.sampled_from([1, 2]))),), draw(ids)),
        Pass(pauses[0], noticed=draw(st.booleans())),
        again,
        Pass(pauses[1], noticed=draw(st.booleans())),
        again,
        Settle(draw(clients), "release", 0),
        again,
    ]


@st.composite
def overridden(draw: st.DrawFn) -> list[Step]:
    """A plan has limits and rules of its own, and an override stands beside them."""
    name, client = draw(st.sampled_from([CALLS, IMAGES, SEATS])), draw(clients)
    fields = [(f"limit:{name}", draw(st.sampled_from(["0", "3", "15", "unlimited"])))]
    if rule := draw(rules):
        fields.append((f"rule:{name}", rule))
    amount = draw(st.sampled_from([1, 4, 20]))
    return [
        NewPlan(tuple(fields)),
        Consume(client, ((name, amount),)),
        Operate(client, "override:set", name, draw(st.sampled_from([0, 9, 99]))),
        Consume(draw(clients), ((name, amount),), draw(ids)),
        Look(client) if draw(st.booleans()) else Again(client, 0),
    ]


@st.composite
def doubled(draw: st.DrawFn) -> list[Step]:
    """One id several times at once; and more refusals in a second than are kept."""
    name, client = draw(st.sampled_from(NAMES)), draw(clients)
    call = Consume(client, ((name, draw(units)),), draw(ids))
    other = Consume(draw(clients), call.wanted, call.call_id)
    too_much = Consume(client, ((CALLS, 10**6), (IMAGES, 10**6)))
    flood = draw(st.sampled_from([0, 0, 0, 17]))
    return [Race((call, call, other)), *[too_much] * flood]


@st.composite
def replaced(draw: st.DrawFn) -> list[Step]:
    """An override gives way to another one and comes back, or ends before it does."""
    name, client = draw(st.sampled_from([CALLS, IMAGES, SEATS])), draw(clients)
    long = st.sampled_from([None, 60, 7200])
    first, second = draw(long), draw(long)
    return [
        Operate(client, "override:set", name, 4, ends_s=first),
        Operate(draw(clients), "override:set", name, 9, ends_s=second),
        Pass(draw(st.sampled_from([0, 1, 2])), noticed=draw(st.booleans())),
        Undo(draw(clients), 0),
        Undo(draw(clients), draw(st.sampled_from([0, 1, 2]))),
        Operate(client, draw(st.sampled_from(["override:clear", "adjust:set"])), name),
        Undo(draw(clients), draw(recent)),
    ]


@st.composite
def swept(draw: st.DrawFn) -> list[Step]:
    """Two reservations of one counter end one after the other; sweeps find both."""
    name, client = draw(st.sampled_from(NAMES)), draw(clients)
    size = ((name, draw(st.sampled_from([1, 2]))),)
    times = draw(st.permutations([60, 120]))
    return [
        Consume(client, size, draw(ids), times[0]),
        Consume(draw(clients), size, draw(ids), times[1]),
        Pass(1, noticed=True),
        Sweep(draw(clients)),
        Pass(1, noticed=draw(st.booleans())),
        Sweep(draw(clients)),
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
    *(replaced() for _ in range(2)),
    swept(),
    *(overridden() for _ in range(2)),
    *(doubled() for _ in range(2)),
)
starts = st.sampled_from(
    [
        datetime(2080, 1, 31, 13, 30, tzinfo=UTC),
        datetime(2080, 2, 28, 23, 58, tzinfo=UTC),
        datetime(2080, 12, 31, 23, 0, tzinfo=UTC),
    ]
)
