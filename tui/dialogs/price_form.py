"""The form that creates a price: for what, then what it costs, drawn as it is typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from textual.widget import Widget
from textual.widgets import Input

from meterdeck.core.errors import BadInput
from meterdeck.core.model.catalogue import Account, PriceSpec
from meterdeck.core.model.catalogue_draft import Form, PriceDraft
from meterdeck.core.model.prices import Interval, PriceInfo, ProductInfo, Round
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_draft import check_key, drafted_price
from meterdeck.tui import price_glance
from meterdeck.tui.catalogue_requests import CreatePrice
from meterdeck.tui.dialogs.guided import Field, GuidedForm, Outline
from meterdeck.tui.picture import Picture
from meterdeck.tui.widgets.choice import Choice
from meterdeck.tui.widgets.price_preview import PricePreview

T = TypeVar("T")
MOST_TIERS = 10
"""Tiers that can be typed; more are written in the configuration."""
_LEAST_TIERS = 2
_FORMS = tuple(Form)
_INTERVALS = (
    Interval.MONTH, Interval.YEAR, Interval.WEEK, Interval.DAY, Interval.ONE_TIME,
)  # fmt: skip
_ROUNDS = tuple(Round)
_SUGGESTED = ("1,000 0.01 USD", "10,000 0.005 USD", "inf 0.001 USD + 5 USD")


class PriceForm(GuidedForm):
    """Product, meter and name; then form and amounts.

    Args:
        account: What exists: its active products and meters can be chosen.
        product, meter: What is chosen at first.
    """

    TITLE_TEXT = "Create a price"
    STEPS: ClassVar[Sequence[str]] = ("What it is for", "What it costs")

    def __init__(
        self,
        picture: Picture,
        account: Account,
        *,
        product: ProductInfo | None = None,
        meter: MeterInfo | None = None,
    ) -> None:
        super().__init__(picture)
        self._account = account
        self._products = _first(product, [p for p in account.products if p.active])
        self._meters = _first(meter, [m for m in account.meters if m.active])

    def fields(self, step: int) -> Iterator[Field]:
        if step == 0:
            names = [visible(product.name, 24) for product in self._products]
            yield "Product", Choice([*names, "a new one"], id="product")
            yield (
                "New name",
                _input("new_product", "what customers read on the invoice"),
            )
            meters = [visible(meter.event_name, 32) for meter in self._meters]
            yield "Bills", Choice([*meters, "no usage: a fee"], id="meter")
            yield "Key", _input("lookup_key", "its name, such as api_calls_2027")
            every = [i.value.replace("_", " ") for i in _INTERVALS]
            yield "Every", Choice(every, id="interval")
            yield "Times", _input("interval_count", "1")
            return
        yield "Form", Choice([form.value for form in _FORMS], id="form")
        yield "Amount", _input("amount", "such as 0.01 USD")
        yield "Units", _input("size", "in a package, such as 1,000")
        yield "Begun", Choice(["is paid whole", "is not paid"], id="round")
        for n in range(MOST_TIERS):
            suggested = _SUGGESTED[n] if n < len(_SUGGESTED) else ""
            yield (
                "Up to" if n == 0 else "then",
                _input(f"tier-{n}", suggested or "inf 0.001 USD"),
            )

    def preview(self) -> Widget:
        return PricePreview()

    @property
    def draft(self) -> PriceDraft:
        """What the fields say."""
        product, meter = self.chosen("product"), self.chosen("meter")
        return PriceDraft(
            lookup_key=self.text("lookup_key"),
            form=_FORMS[self.chosen("form")],
            product=self._products[product] if product < len(self._products) else None,
            new_product=self.text("new_product"),
            meter=self._meters[meter] if meter < len(self._meters) else None,
            amount=self.text("amount"),
            size=self.text("size"),
            round=_ROUNDS[self.chosen("round")],
            tiers=tuple(self.text(f"tier-{n}") for n in range(MOST_TIERS)),
            interval=_INTERVALS[self.chosen("interval")],
            interval_count=self.text("interval_count"),
        )

    def look(self) -> None:
        """Show the fields that the form needs, and what they say now."""
        form = _FORMS[self.chosen("form")]
        tiered = form in (Form.GRADUATED, Form.VOLUME)
        product = self.chosen("product")
        self.show_field("new_product", product == len(self._products))
        self.show_field("amount", not tiered)
        self.show_field("size", form is Form.PACKAGE)
        self.show_field("round", form is Form.PACKAGE)
        filled = [bool(self.text(f"tier-{n}")) for n in range(MOST_TIERS)]
        last = max((n for n, there in enumerate(filled) if there), default=-1)
        for n in range(MOST_TIERS):
            self.show_field(f"tier-{n}", tiered and n <= max(last + 1, _LEAST_TIERS))
        super().look()

    def problem_of(self, step: int) -> str:
        if step:
            return ""
        draft = self.draft
        if draft.product is None and not draft.new_product:
            return "the new product has no name yet"
        if not draft.lookup_key:
            return "a lookup key is missing: what the price is called"
        try:
            check_key(draft.lookup_key, self._account)
        except BadInput as taken:
            return str(taken)
        return ""

    def outline(self) -> Outline:
        draft, declared = self.draft, self.picture.context.catalogue
        drafted = drafted_price(draft, declared, self._account)
        request = CreatePrice(
            drafted.spec,
            product_id=drafted.product_id,
            product=drafted.product,
            meter_id=drafted.meter_id,
            operation_id=self.operation_id,
        )
        return Outline(
            request,
            tuple(_facts(draft, drafted.spec)),
            drafted,
            warnings=drafted.warnings,
        )

    def draw(self, outline: Outline) -> None:
        preview = self.query_one(PricePreview)
        if self.step and isinstance(outline.request, CreatePrice):
            spec = outline.request.spec
            preview.show(spec.form, spec.currency, metered=bool(spec.meter))
        elif self.step:
            preview.wait()
        if not self.step:
            meter = self.draft.meter
            there = [p for p in self._account.prices if p.active]
            preview.tell(
                f"Prices of {meter.event_name}" if meter else "Fees",
                [p for p in there if p.meter_id == (meter.id if meter else "")],
            )


def _facts(draft: PriceDraft, spec: PriceSpec) -> Iterator[tuple[str, str]]:
    if draft.product is None:
        yield "new product", draft.new_product
    else:
        yield "product", draft.product.name
    meter = draft.meter
    yield "bills", meter.event_name if meter else "no usage: a fee"
    yield "key", spec.lookup_key
    price = PriceInfo(
        "", "", spec.currency, spec.form, interval=spec.interval,
        interval_count=spec.interval_count, meter_id=meter.id if meter else "",
    )  # fmt: skip
    yield "every", price_glance.interval_words(price).removeprefix("a ")
    yield "costs", price_glance.form_words(price)
    for step in price_glance.steps_of(spec.form, spec.currency):
        flat = f" + {step.flat}" if step.flat else ""
        yield "", f"{step.units}  {step.unit}{flat}"
    yield "for good", "amounts never change: another amount is another price"


def _first(chosen: T | None, among: list[T]) -> list[T]:
    """Put what is chosen first."""
    if chosen not in among or chosen is None:
        return among
    return [chosen, *(each for each in among if each != chosen)]


def _input(name: str, placeholder: str) -> Input:
    return Input(placeholder=placeholder, id=name, compact=True, max_length=200)
