"""Random billing of one counter, beside what Stripe has and what ought to be billed."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count

from tests.support.billing import ACTOR, Till, settled, signed
from tests.support.contexts import CALLS
from tests.support.pretended_stripe import Known, PretendedStripe
from tests.support.raw import ask

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import server_time
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.delivery import (
    CANCEL_WINDOW,
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    Answer,
    Attempt,
    Claim,
    EventState,
    Letter,
    LetterSource,
    NoClaim,
    NotClaimed,
    Settlement,
    Verdict,
)
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

VERDICTS = {
    Answer.ACCEPTED: Verdict.DELIVERED,
    Answer.DUPLICATE: Verdict.DELIVERED,
    Answer.REFUSED: Verdict.DEAD,
    Answer.BUSY: Verdict.LATER,
    Answer.UNKNOWN: Verdict.LATER,
}
FATES = ("accept", "accept", "refuse", "busy", "lost", "lost_and_counted")
PASSING = (timedelta(minutes=1), timedelta(hours=2), timedelta(hours=25))


class BillingModel:
    """One counter, two workers, an operator and Stripe, in a random order.

    Attributes:
        due: What ought to be on the bill by now, by what was done.
    """

    def __init__(self, till: Till, seed: int) -> None:
        self.till = till
        self.random = random.Random(seed)  # noqa: S311  # no secret
        self.stripe = PretendedStripe()
        self.letters = Letters(till.redis, till.context)
        self.changes = OperatorChanges(till.redis, till.context)
        self.usage = UsageService(till.redis, till.context)
        self.workers = [till.worker("first"), till.worker("second")]
        self.hands: dict[int, tuple[Claim, timedelta]] = {}
        self.unsettled: list[tuple[BillingRecords, Settlement]] = []
        self.now = timedelta()
        self.due = 0
        self.reserved: dict[str, int] = {}
        self.rebills: dict[str, bool] = {}
        self.early: set[str] = set()
        self.ids = (f"id-{number}" for number in count())

    async def step(self) -> None:
        """Do one thing, and check that every unit is in one place."""
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (4, self.use),
            (2, self.adjust),
            (1, self.reserve),
            (1, self.end_reservation),
            (5, self.claim),
            (5, self.send),
            (5, self.settle),
            (2, self.let_pass),
            (1, self.decide),
            (1, self.cancel),
            (1, self.end_cancel),
            (1, self.uncount),
            (1, self.refuse_late),
            (1, self.compensate),
        ]
        weights, actions = zip(*steps, strict=True)
        await self.random.choices(actions, weights)[0]()
        await self.check()

    async def check(self) -> None:
        """What ought to be billed is what the record knows of, and what Stripe has."""
        record = await self.till.read()
        assert (record.used or 0) + record.offset - record.reserved == self.due
        letters = await self.letters.of(self.till.wanted.counter.tenant)
        states = (EventState.DEAD, EventState.REFUSED, EventState.AMBIGUOUS)
        assert record.parked == sum(e.units for e in letters if e.state in states)
        flying = [record.claim.event.identifier] if record.claim else []
        unsure = [
            *self.early,
            *flying,
            *(e.event.identifier for e in letters if e.state in states),
        ]
        known = self.stripe.known
        surplus = sum(self.has(each) for each in unsure if each in known)
        cancelled = sum(
            each.units
            for each in letters
            if each.doing and not known[each.event.identifier].counted
        )
        owed = sum(
            each.claim.units
            for name, each in known.items()
            if each.owed and name not in unsure
        )
        assert self.stripe.total == record.reported + surplus - cancelled - owed

    async def finish(self) -> None:
        """Decide about everything, send everything, until nothing is left."""
        self.hands.clear()
        while self.unsettled:
            await self.settle()
        for _ in range(60):
            for end in (self.end_cancel, self.refuse_late, self.end_reservation):
                await end()
            await self.decide_all()
            self.now += PASSING[1]
            await self.till.let_pass(PASSING[1])
            answer = await self.till.ask_for(self.workers[0])
            if isinstance(answer, NoClaim):
                if answer.why is NotClaimed.NOTHING and not await self.open_ends():
                    return
                await self.park(self.workers[0], answer)
                continue
            self.stripe.take(answer, self.now, "accept")
            await self.workers[0].settle([settled(answer, Verdict.DELIVERED)])
        raise AssertionError("it never ends")

    async def open_ends(self) -> bool:
        """Tell whether something is still to be decided."""
        letters = await self.letters.of(self.till.wanted.counter.tenant)
        open_ones = [e for e in letters if e.state is not EventState.CANCELLED]
        owed = any(each.owed for each in self.stripe.known.values())
        return bool(open_ones or self.reserved or owed)

    def has(self, identifier: str) -> int:
        """Return the units that Stripe counts of an event."""
        known = self.stripe.known.get(identifier)
        return known.counted * known.claim.units if known else 0

    async def use(self) -> None:
        """Count units, or give some back, as a program does that knows INCR only."""
        record = await self.till.read()
        units = self.random.choice((1, 5, 40, -3))
        if (record.used or 0) - record.reserved + units < 0:
            return  # nobody gives back what is only reserved
        self.due += units
        await self.till.use(units)

    async def adjust(self) -> None:
        """Change the counter, with the bill or without."""
        kind = self.random.choice((AdjustKind.ADD, AdjustKind.SUBTRACT))
        bill, units = self.random.choice(list(Bill)), self.random.randint(1, 9)
        record = await self.till.read()
        # An operator takes nothing below 0, nor below what is only reserved.
        if kind is AdjustKind.SUBTRACT and (record.used or 0) - record.reserved < units:
            return
        wish = Adjustment(
            record.counter.tenant, CALLS, kind, units, None, bill, "a reason"
        )
        await self.changes.adjust(wish, actor=ACTOR, operation_id=next(self.ids))
        if bill is Bill.QUOTA_AND_BILL:
            self.due += units if kind is AdjustKind.ADD else -units

    async def reserve(self) -> None:
        """Reserve units: nothing of them is due yet."""
        name, units = next(self.ids), self.random.randint(1, 9)
        await self.usage.reserve(
            self.till.wanted.counter.tenant,
            {CALLS: units},
            ttl=timedelta(hours=1),
            call_id=name,
        )
        self.reserved[name] = units

    async def end_reservation(self) -> None:
        """Confirm a reservation, or release it, or let it be over."""
        if not self.reserved:
            return
        name, units = self.reserved.popitem()
        who = self.till.wanted.counter
        match self.random.randrange(3):
            case 0:
                await self.usage.confirm(who.tenant, name)
                self.due += units
            case 1:
                await self.usage.release(who.tenant, name)
            case _:
                key = self.till.layout.reserved(who.tenant, CALLS, who.period)
                await ask(self.till.redis, "ZADD", key, 1, f"{name}:{units}")

    async def claim(self) -> None:
        """Claim for a worker; what it had in hand is forgotten, as by a crash."""
        number = self.random.randrange(2)
        answer = await self.till.ask_for(self.workers[number])
        self.hands.pop(number, None)
        # A worker settles in its own order, or has forgotten it.
        self.unsettled = [
            each
            for each in self.unsettled
            if each[0] is not self.workers[number]
            or each[1].verdict is Verdict.DELIVERED
        ]
        if isinstance(answer, Claim):
            self.hands[number] = answer, self.now
        else:
            await self.park(self.workers[number], answer)

    async def park(self, worker: BillingRecords, answer: NoClaim) -> None:
        """Park an event that is too old to be sent again."""
        if answer.why is NotClaimed.EXPIRED:
            assert answer.claim is not None
            await worker.settle([settled(answer.claim, Verdict.AMBIGUOUS)])

    async def send(self) -> None:
        """Send what a worker has in hand; its answer is settled later, or never."""
        if not self.hands:
            return
        number = self.random.choice(list(self.hands))
        claim, since = self.hands[number]
        clock = await server_time(self.till.redis)
        age = clock - claim.claimed_at + (self.now - since)
        if age > IDENTIFIER_WINDOW - IDENTIFIER_MARGIN:
            del self.hands[number]  # no worker sends it any more
            return
        answer = self.stripe.take(claim, self.now, self.random.choice(FATES))
        attempt = Attempt(answer, claim.claimed_at)
        done = Settlement(claim, VERDICTS[answer], attempt)
        self.unsettled.append((self.workers[number], done))
        if answer is Answer.UNKNOWN:
            again = replace(claim, maybe_sent=True)
            self.hands[number] = again, since
        else:
            del self.hands[number]

    async def settle(self) -> None:
        """Settle an answer, in whatever order; some are lost, and some come twice."""
        if not self.unsettled:
            return
        place = self.random.randrange(len(self.unsettled))
        worker, done = self.unsettled[place]
        if self.random.random() < 0.8:
            del self.unsettled[place]
        if (await worker.settle([done]))[0]:
            self.early.discard(done.claim.event.identifier)

    async def let_pass(self) -> None:
        """Let time pass, for the record and for Stripe."""
        time = self.random.choice(PASSING)
        self.now += time
        await self.till.let_pass(time)

    async def decide(self) -> None:
        """Decide about one letter."""
        letters = await self.letters.of(self.till.wanted.counter.tenant)
        if letters:
            await self.decide_about(self.random.choice(letters))

    async def decide_all(self) -> None:
        """Decide about every letter."""
        for letter in await self.letters.of(self.till.wanted.counter.tenant):
            await self.decide_about(letter)

    async def decide_about(self, letter: Letter) -> None:
        """Replay what is dead, and resolve what is ambiguous by what Stripe has."""
        own = signed(next(self.ids))
        if letter.state in (EventState.DEAD, EventState.REFUSED):
            if self.has(letter.event.identifier):
                # Sent by two workers at once, and only one of them was refused.
                pending = [
                    e for _, e in self.unsettled if e.claim.event == letter.event
                ]
                if Verdict.DELIVERED not in [each.verdict for each in pending]:
                    return
                self.early.add(letter.event.identifier)
            await self.letters.replay(letter, own)
        elif letter.state is EventState.AMBIGUOUS:
            counted = bool(self.has(letter.event.identifier))
            await self.letters.resolve(letter, counted=counted, signature=own)
            self.drop(letter.event.identifier)

    def drop(self, identifier: str) -> None:
        """Forget who still meant to send or settle an event: it is a day old."""
        self.hands = {
            number: hand
            for number, hand in self.hands.items()
            if hand[0].event.identifier != identifier
        }
        self.unsettled = [
            each
            for each in self.unsettled
            if each[1].claim.event.identifier != identifier
        ]

    async def reported(self) -> list[Known]:
        """Return events that Stripe counts and that are settled, with no letter."""
        record = await self.till.read()
        tenant = self.till.wanted.counter.tenant
        letters = {e.event.identifier for e in await self.letters.of(tenant)}
        flying = record.claim.event.identifier if record.claim else ""
        return [
            each
            for name, each in self.stripe.known.items()
            if each.counted and name != flying and name not in letters
        ]

    async def cancel(self) -> None:
        """Begin to cancel a delivered event, ask Stripe, and maybe crash."""
        fresh = [
            each
            for each in await self.reported()
            if self.now - each.since < CANCEL_WINDOW
        ]
        if not fresh:
            return
        known = self.random.choice(fresh)
        rebill = self.random.random() < 0.5
        letter = await self.letter_of(known)
        await self.letters.begin_cancel(
            letter, rebill=rebill, signature=signed(next(self.ids))
        )
        self.rebills[known.event.identifier] = rebill
        known.counted = 0

    async def end_cancel(self) -> None:
        """End what was begun."""
        for letter in await self.letters.of(self.till.wanted.counter.tenant):
            if letter.doing:
                own = signed(next(self.ids))
                await self.letters.end_cancel(letter, cancelled=True, signature=own)
                if not self.rebills[letter.event.identifier]:
                    self.due -= letter.units

    async def uncount(self) -> None:
        """Stripe does not count an event after all, and will say so later."""
        if found := await self.reported():
            known = self.random.choice(found)
            known.counted, known.owed = 0, True

    async def refuse_late(self) -> None:
        """Stripe's reports arrive; one of them twice."""
        for known in self.stripe.known.values():
            if known.owed:
                letter = await self.letter_of(known)
                assert await self.letters.refuse_late(letter)
                assert not await self.letters.refuse_late(letter)
                known.owed = False

    async def compensate(self) -> None:
        """Take units back that were billed."""
        if (await self.till.read()).sequence:
            units = self.random.randint(1, 5)
            own = signed(next(self.ids))
            await self.letters.compensate(self.till.wanted.counter, units, own)
            self.due -= units

    async def letter_of(self, known: Known) -> Letter:
        """Return what is known of an event, as the log tells it."""
        claim = known.claim
        clock = await server_time(self.till.redis)
        return Letter(
            tenant=claim.counter.tenant,
            resource=claim.counter.resource,
            period=claim.counter.period,
            event=known.event,
            units=claim.units,
            scale=claim.scale,
            state=EventState.REFUSED,
            source=LetterSource.COUNTER,
            first_sent_at=clock - (self.now - known.since),
            at=clock,
        )
