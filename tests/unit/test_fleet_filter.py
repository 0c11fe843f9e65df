"""A filter over the fleet finds what a look at every tenant finds."""

import random
from array import array
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.watching import CALLS, DISK, IMAGES, tenant_of, watch_context

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
    parse_filter,
)
from meterdeck.core.model.filter.tenant_terms import (
    EtaTerm,
    LimitKind,
    LimitTerm,
    Measure,
    MeasureTerm,
    PlanTerm,
    ResetTerm,
    State,
    StateTerm,
    StatusTerm,
    Term,
    TextTerm,
    WorstResourceTerm,
    WorstTerm,
)
from meterdeck.core.model.filter.tenants import (
    Vocabulary,
    asks_for_rates,
    terms_of,
)
from meterdeck.core.model.filter.words import letters_in_order, plain
from meterdeck.core.model.fleet_update import (
    NO_COUNTER,
    CounterBatch,
    Health,
    OverrideChange,
    Reach,
    WatchUpdate,
)
from meterdeck.core.model.periods import Cycle, Interval, PeriodKind, calendar_month
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    Resource,
    TenantId,
    TenantStatus,
)
from meterdeck.core.services.fleet import Fleet

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = Health(Reach.OK)
CYCLE = Cycle(datetime(2026, 11, 23, 11, tzinfo=UTC), Interval.MONTH)
CYCLED = replace(IMAGES, period=PeriodKind.BILLING_CYCLE)
RESOURCES = (CALLS, CYCLED, DISK)
PLANS = ("pro", "pro-annual", "free", "")
LIMITS = (None, 0, 7, 100, 1000, 12_345)
USED = (None, Broken("a list"), -3, 0, 1, 7, 70, 71, 99, 100, 705, 990, 1000, 20_000)
EXPRESSIONS = """
acme ; ACME !t-1 ; "t-1" ; acmt ; zzzz ; plan:pro ; plan:pro- ; plan=pro ; plan:none
plan!=pro ; plan:free,pro ; status:past_due ; status:past ; status=active ; name:me
id=t-1 ; tenant:t-1 ; customer:cus_t ; sub:sub ; customer="" ; !subscription=""
api_calls>80% ; api_calls>=70% ; api_calls<71% ; api_calls<=0% ; api_calls=100%
api_calls!=100% ; api_calls>70.5% ; api_calls>100 ; api_calls<1 ; api_calls=0
api_calls=1,000 ; images.left>=0 ; images>99% ; images.used>=7 ; images.left<1
images.left>=1 ; images.left=0 ; images.left>0 ; images.limit>100 ; images.limit=0
images.limit:override ; limit:override ; limit:unlimited ; limit:none ; limit:plan
limit:plan,override ; worst>90% ; used<10 ; percent=100% ; worst:images ; at:limit
is:over ; is:near ; is:fine ; is:broken ; is:moving ; is:idle ; api_calls<0
eta<2h ; eta>1h
eta:never ; api_calls.eta<=3d ; resets>8d ; resets<9d ; resets>=1w !is:fine
(acme | plan:free) api_calls>10% ; !(acme is:near) ; !plan:pro !is:limit
"""


def random_fleet(rng: random.Random) -> Fleet:
    """A fleet of everything that can be the case, in two looks forty seconds apart."""
    fleet = Fleet(watch_context("redis://nowhere", resources=RESOURCES))
    names = [f"t-{number}" for number in range(rng.randrange(20, 60))]
    tenants = tuple(
        tenant_of(
            name,
            name=rng.choice(["Acme", "Globex", "Acme\x1f\nMate", "Ärzte", name]),
            customer=rng.choice(["", f"cus_{name}"]),
            subscription=rng.choice(["", f"sub_{name}"]),
            cycle=rng.choice([None, CYCLE]),
            plan=rng.choice(PLANS),
            status=rng.choice(list(TenantStatus)),
            limits={
                each.name: rng.choice(LIMITS)
                for each in rng.sample(RESOURCES, rng.randrange(4))
            },
        )
        for name in names
    )
    overrides = tuple(
        OverrideChange(
            TenantId(rng.choice(names)),
            rng.choice(RESOURCES).name,
            Limit(rng.choice(LIMITS), LimitSource.OVERRIDE),
        )
        for _ in range(8)
    )
    month = calendar_month(AT)
    fleet.apply(update(AT, tenants=tenants, overrides=overrides, month=month))
    for second in (0, 40, 46):
        some = rng.sample(names, rng.randrange(len(names) + 1))
        counters = tuple(
            batch(each, {name: rng.choice(USED) for name in some}) for each in RESOURCES
        )
        at = AT + timedelta(seconds=second)
        fleet.apply(update(at, counters=counters, counters_at=at))
    return fleet


def update(at: datetime, **parts: object) -> WatchUpdate:
    """An update with these parts."""
    return WatchUpdate(**{"at": at, "redis": OK, "stripe": OK, **parts})  # type: ignore[arg-type]


def batch(resource: Resource, values: dict[str, int | Broken | None]) -> CounterBatch:
    """A batch of one resource's counters."""
    numbers = [v if isinstance(v, int) else NO_COUNTER for v in values.values()]
    broken = {
        place: value
        for place, value in enumerate(values.values())
        if isinstance(value, Broken)
    }
    return CounterBatch(
        resource, [TenantId(name) for name in values], array("q", numbers), broken
    )


class Slow:
    """Looks at one row at a time, through what the fleet tells of it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.columns = range(len(fleet.resources))
        self.vocabulary = Vocabulary(tuple(fleet.resources))
        self.texts = [self.texts_of(row) for row in range(len(fleet))]

    def find(self, expression: Filter) -> list[int]:
        return [
            row
            for row in range(len(self.fleet))
            if self.takes(expression.root, row, loose=True)
        ]

    def takes(self, node: Node, row: int, *, loose: bool) -> bool:
        match node:
            case Word():
                return self.has(node, row, loose=loose)
            case Clause():
                terms = terms_of(node, self.vocabulary)
                taken = any(self.meets(term, row) for term in terms)
                return taken != (node.op is Op.NOT)
            case Not(inner):
                return not self.takes(inner, row, loose=False)
            case AllOf(parts):
                return all(self.takes(part, row, loose=loose) for part in parts)
            case AnyOf(parts):
                return any(self.takes(part, row, loose=loose) for part in parts)

    def has(self, word: Word, row: int, *, loose: bool) -> bool:
        text = plain(word.text)
        literal = not loose or word.quoted or len(text) < 3
        if literal or any(text in each for texts in self.texts for each in texts):
            return any(text in each for each in self.texts[row])
        return any(letters_in_order(text).search(each) for each in self.texts[row][:2])

    def texts_of(self, row: int) -> list[str]:
        t = self.fleet.tenant(row)
        parts = (t.id, t.name, t.customer, t.subscription, t.plan, t.status)
        return list(map(plain, parts))

    def meets(self, term: Term, row: int) -> bool:
        fleet = self.fleet
        tenant, taken = fleet.tenant(row), False
        match term:
            case TextTerm(field, values, whole):
                text = plain(getattr(tenant, field.value))
                taken = text in values if whole else any(v in text for v in values)
            case PlanTerm():
                plans = {fleet.tenant(other).plan for other in range(len(fleet))}
                taken = tenant.plan in term.among(plans | {"pro", "free"})
            case StatusTerm(values):
                taken = tenant.status in values
            case MeasureTerm(resource, measure, span):
                number = self.measured(row, self.column(resource), measure)
                taken = number is not None and number in span
            case WorstTerm(span):
                taken = fleet.worst(row) >= 0 and fleet.worst(row) in span
            case WorstResourceTerm(resource):
                taken = fleet.worst_column(row) == self.column(resource)
            case LimitTerm(kind, resource):
                limits = [fleet.limit(row, column) for column in self.meant(resource)]
                taken = any(self.is_of(kind, limit) for limit in limits)
            case EtaTerm(span, resource):
                etas = [fleet.time_to_limit(row, c) for c in self.meant(resource)]
                seconds = [int(eta.total_seconds()) for eta in etas if eta is not None]
                taken = any(s in span for s in seconds) if span else not seconds
            case ResetTerm(span):
                ends = [fleet.resets_at(row, column) for column in self.columns]
                left = [end - (fleet.at or AT) for end in ends if end]
                taken = bool(left) and int(min(left).total_seconds()) in span
            case StateTerm(state):
                taken = self.stands(state, row)
        return taken

    def column(self, resource: str) -> int:
        return [r.name for r in self.fleet.resources].index(resource)  # type: ignore[arg-type]

    def meant(self, resource: str) -> Iterator[int]:
        return iter([self.column(resource)] if resource else self.columns)

    def measured(self, row: int, column: int, measure: Measure) -> int | None:
        used, limit = self.fleet.used(row, column), self.fleet.limit(row, column).units
        if measure is Measure.LIMIT:
            return limit
        if isinstance(used, Broken):
            return None
        used = used or 0
        if measure is Measure.USED:
            return used
        if limit is None:
            return None
        if measure is Measure.LEFT:
            return max(limit - used, 0)
        return self.fleet.percent(row, column)

    @staticmethod
    def is_of(kind: LimitKind, limit: Limit) -> bool:
        if kind is LimitKind.UNLIMITED:
            return limit.unlimited
        return limit.source.value == kind.value

    def stands(self, state: State, row: int) -> bool:
        worst = self.fleet.worst(row)
        used = [self.fleet.used(row, column) for column in self.columns]
        return {
            State.LIMIT: worst >= 100,
            State.OVER: worst > 100,
            State.NEAR: 70 < worst < 100,
            State.FINE: 0 <= worst <= 70,
            State.BROKEN: any(isinstance(value, Broken) for value in used),
            State.MOVING: (self.fleet.trend(row) or [0])[-1] > 0,
            State.IDLE: all(value is None for value in used),
        }[state]


def test_the_quick_search_finds_what_a_look_at_every_row_finds() -> None:
    """Each kind of clause over fleets of all that can be, alone and combined."""
    rng = random.Random(11)  # noqa: S311  # test data
    texts = [text.strip() for text in EXPRESSIONS.replace("\n", ";").split(";")]
    texts = [text for text in texts if text]
    found = dict.fromkeys(texts, 0)
    for _ in range(6):
        fleet = random_fleet(rng)
        slow = Slow(fleet)
        paired = [f"{rng.choice(texts)} {rng.choice(texts)}" for _ in range(20)]
        for text in [*texts, *paired]:
            expected = slow.find(parse_filter(text))
            assert fleet.search(text) == expected, text
            found[text] = found.get(text, 0) + len(expected)

    assert [text for text in texts if not found[text]] == ["zzzz"]


def test_only_filters_of_what_moves_have_to_see_it_move() -> None:
    """A command watches longer for them, wherever in the filter they stand."""
    moving = ("eta<2h", "!(acme | images.ETA>1d)", "is:idle,moving", "at:MOVING")
    still = ("eta", "name:eta plan:moving", "is:idle", '"eta<2h"')

    assert all(asks_for_rates(parse_filter(text)) for text in moving)
    assert not any(asks_for_rates(parse_filter(text)) for text in still)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plna:pro", "character 1: there is no field plna; did you mean plan? valid"),
        ("a status:pastdue", "status has no value pastdue; did you mean past_due?"),
        ("plan:prp", "plan has no value prp; did you mean pro? valid are: pro, none"),
        ("api_calls>many", "not a quantity; write a quantity such as api_calls>1500"),
        ("api_calls>1,5", "not a quantity; write a quantity such as api_calls>1500"),
        ("api_calls>1,5%", "not a percent; write a percent, for example"),
        ("api_calls>8x%", "not a percent; write a percent, for example api_calls>90%"),
        ("eta<2", "not a length of time; write for example eta<2h"),
        ("eta:2h", "no moment is hit exactly; write for example eta<2h"),
        ("plan>pro", "plan>pro: this has no order; write plan:pro"),
        ("limit>5", "name the resource: api_calls.limit>1000"),
        ("is:dead", "is has no value dead; valid are: limit, over, near"),
        ("api_calls.foo>1", "there is no field api_calls.foo"),
        ("\x1b[2Jx:1", "there is no field ␛[2Jx"),
    ],
)
def test_what_a_filter_cannot_mean_is_said_in_a_sentence(text: str, said: str) -> None:
    """What, where, and what would be right; nothing a terminal would act on."""
    fleet = Fleet(watch_context("redis://nowhere"))

    with pytest.raises(BadInput) as caught:
        fleet.read_filter(text)

    assert said in str(caught.value)
    assert str(caught.value).isprintable()
