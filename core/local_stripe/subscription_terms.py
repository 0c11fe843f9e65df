"""A subscription's dates and terms, as a request sets them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from meterdeck.core.local_stripe import subscription_items as items_of
from meterdeck.core.local_stripe.billing_cycle import first_boundary, next_on_day
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Item, Subscription
from meterdeck.core.local_stripe.refusals import invalid, unsupported_param
from meterdeck.core.local_stripe.renewal import placed
from meterdeck.core.local_stripe.wire import from_seconds, seconds
from meterdeck.core.local_stripe.world import World

_NOT_FUTURE = "Invalid timestamp: must be an integer Unix timestamp in the future"


def trial_end(sent: Parameters, now: datetime) -> datetime | None:
    days, moment = sent.integer("trial_period_days"), sent.integer("trial_end")
    if days is not None and "trial_end" in sent:
        raise invalid(
            "You may only specify one of these parameters: trial_end,"
            " trial_period_days."
        )
    if days:
        return now + timedelta(days=days)
    if moment is None:
        return None
    if moment <= seconds(now):
        raise invalid(_NOT_FUTURE, "trial_end")
    return from_seconds(moment)


def with_trial(
    subscription: Subscription, trial_end: datetime | None, now: datetime
) -> Subscription:
    if trial_end is None and subscription.trial_end is None:
        return subscription
    if trial_end is None:
        return replace(subscription, status="active", trial_end=now, anchor=now)
    return replace(
        subscription,
        status="trialing",
        trial_start=subscription.trial_start or now,
        trial_end=trial_end,
        anchor=trial_end,
    )


def anchor(
    world: World, sent: Parameters, items: tuple[Item, ...], now: datetime
) -> datetime:
    config, moment = (
        sent.section("billing_cycle_anchor_config"),
        sent.integer("billing_cycle_anchor"),
    )
    if config is not None:
        clock = (("hour", now.hour), ("minute", now.minute), ("second", now.second))
        hour, minute, second = (
            default if (given := config.integer(key)) is None else given
            for key, default in clock
        )
        return next_on_day(
            now,
            config.required_integer("day_of_month"),
            config.integer("month"),
            (hour, minute, second),
        )
    if moment is None:
        return now
    anchor = from_seconds(moment)
    rhythms = (items_of.recurring(world.prices.get(item.price)) for item in items)
    natural = min(first_boundary(now, each) for each in rhythms)
    if anchor < now:
        raise invalid(_NOT_FUTURE, "billing_cycle_anchor")
    if anchor > natural:
        raise invalid(
            "billing_cycle_anchor cannot be later than next natural billing date"
            f" ({seconds(natural)}) for plan",
            "billing_cycle_anchor",
        )
    return anchor


def ending(subscription: Subscription, sent: Parameters) -> Subscription:
    """End where an item's period ends: `cancel_at=min_period_end` and the like."""
    word = sent.text("cancel_at")
    if sent.flag("cancel_at_period_end"):
        # Recorded: the moment is told, too.
        word = "min_period_end"
    if word is None:
        return subscription
    choose = max if word == "max_period_end" else min
    at = choose(item.period_end for item in subscription.items)
    return replace(subscription, cancel_at=at)


def anchors_now(sent: Parameters) -> bool:
    """Tell whether an update starts a new billing cycle."""
    group = sent.section("billing_cycle_anchor")
    word = sent.text("billing_cycle_anchor") if group is None else group.text("type")
    return word == "now"


def backdated(sent: Parameters, now: datetime) -> datetime:
    moment = sent.integer("backdate_start_date")
    if moment is None:
        return now
    if moment > seconds(now):
        raise invalid("backdate_start_date must be in the past.", "backdate_start_date")
    return from_seconds(moment)


def placed_first(
    world: World, subscription: Subscription, now: datetime
) -> Subscription:
    """Place the items; up to a trial's end or a later anchor it is one period."""
    if subscription.anchor <= now:
        return placed(world, subscription, now)
    items = tuple(
        replace(item, period_start=now, period_end=subscription.anchor)
        for item in subscription.items
    )
    return replace(subscription, items=items)


def written(before: Subscription, sent: Parameters, now: datetime) -> Subscription:
    after = _paused(with_details(before, sent), sent)
    at_end = sent.flag("cancel_at_period_end")
    if "cancel_at" in sent:
        moment = sent.integer("cancel_at")
        if moment is not None and moment <= seconds(now):
            raise invalid(_NOT_FUTURE, "cancel_at")
        after = replace(
            after, cancel_at=None if moment is None else from_seconds(moment)
        )
    if at_end is not None:
        after = replace(
            after,
            cancel_at=None if at_end is False else after.cancel_at,
            cancel_at_period_end=at_end,
            canceled_at=now if at_end else None,
            cancel_reason="cancellation_requested" if at_end else None,
        )
    tax = sent.section("automatic_tax")
    if tax is not None and tax.flag("enabled"):
        raise unsupported_param("automatic_tax[enabled]")
    payment = sent.section("payment_settings")
    settings = sent.section("trial_settings")
    behavior = settings and settings.section("end_behavior")
    due = sent.integer("days_until_due")
    return replace(
        after,
        collection_method=sent.text("collection_method") or before.collection_method,
        days_until_due=before.days_until_due if due is None else due,
        description=(
            sent.text("description") if "description" in sent else before.description
        ),
        metadata=merged(before.metadata, sent),
        save_payment_method=(payment and payment.text("save_default_payment_method"))
        or before.save_payment_method,
        trial_end_behavior=(behavior and behavior.text("missing_payment_method"))
        or before.trial_end_behavior,
    )


def _paused(before: Subscription, sent: Parameters) -> Subscription:
    if "pause_collection" not in sent:
        return before
    pause = sent.section("pause_collection")
    if pause is None:
        return replace(before, pause_behavior=None, resumes_at=None)
    resumes = pause.integer("resumes_at")
    return replace(
        before,
        pause_behavior=pause.text("behavior"),
        resumes_at=None if resumes is None else from_seconds(resumes),
    )


def with_details(before: Subscription, sent: Parameters) -> Subscription:
    details = sent.section("cancellation_details")
    if details is None:
        return before
    return replace(
        before,
        cancel_comment=details.text("comment"),
        cancel_feedback=details.text("feedback"),
    )
