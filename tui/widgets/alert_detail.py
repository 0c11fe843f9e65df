"""The chosen alert in full: what fired, how it is now, who saw to it, who was told."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.alert_sight import AlertSight, SeenAlert
from meterdeck.core.model.alert_words import resource_of, threshold_text, value_text
from meterdeck.core.model.alerts import Alert
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.usage import Resource
from meterdeck.tui import alert_words, phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_LABEL = 7


class AlertDetail(Panel):
    """A few lines about one alert, the most important first."""

    DEFAULT_CSS = "AlertDetail { height: 7; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._seen: SeenAlert | None = None
        self._sight: AlertSight | None = None
        self._picture: Picture | None = None

    def show(
        self, seen: SeenAlert | None, sight: AlertSight | None, picture: Picture
    ) -> None:
        """Show an alert; None: none is chosen."""
        self._seen, self._sight, self._picture = seen, sight, picture
        self.repaint()

    def lines(self) -> list[Strip]:
        seen, sight, picture = self._seen, self._sight, self._picture
        if seen is None or sight is None or picture is None:
            return []
        alert = seen.alert
        resource = resource_of(picture.context, alert)
        sheet = Sheet(self.palette, self.size.width, self.GROUND, label=_LABEL)
        name = resource.label if resource else alert.slot.resource or "lag"
        title = f"{alert_words.who(alert)} · {name}"
        role = alert_words.severity_role(alert)
        told = Role.HIGH if seen.undelivered else Role.TEXT
        return [
            sheet.title("◆", role, title, alert.id),
            sheet.pair("fired", _fired(alert, resource)),
            sheet.pair("now", _now(alert, picture)),
            sheet.pair("state", alert_words.state_words(alert, sight.at)),
            sheet.pair("told", alert_words.told_words(seen, sight), told),
            sheet.pair("rule", _rule(alert), Role.MUTED),
        ][: self.size.height]


def _fired(alert: Alert, resource: Resource | None) -> str:
    value, threshold = value_text(alert, resource), threshold_text(alert, resource)
    said = f"{value}, the rule is {threshold}"
    if alert.used is not None:
        scale = resource.scale if resource else 0
        limit = "unlimited"
        if alert.limit is not None:
            limit = group_quantity(alert.limit, scale)
        said += f"; {group_quantity(alert.used, scale)} of {limit}"
    again = f", the {_nth(alert.number)} time" if alert.number > 1 else ""
    return f"{said}; {phrases.moment(alert.opened_at)} UTC{again}"


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in (11, 12, 13) else endings.get(number % 10, "th")
    return f"{number}{ending}"


def _now(alert: Alert, picture: Picture) -> str:
    fleet = picture.fleet
    row = fleet.row_of(alert.slot.tenant) if alert.slot.tenant else None
    column = fleet.column_of(alert.slot.resource) if row is not None else -1
    if row is None or column < 0:
        return "–"
    usage = fleet.usage(row, column)
    if usage.period.label != alert.slot.period:
        return f"that period is over; it is {usage.period.label}"
    if not isinstance(usage.used, int):
        return f"the counter holds {usage.used.holds}"
    resource = fleet.resources[column]
    limit = usage.limit.units
    most = "unlimited" if limit is None else group_quantity(limit, resource.scale)
    said = f"{group_quantity(usage.used, resource.scale)} of {most}"
    if usage.percent is not None:
        said += f", {usage.percent} %"
    rate = fleet.rate(row, column)
    return f"{said}, {phrases.rate(rate, resource.scale)}" if rate > 0 else said


def _rule(alert: Alert) -> str:
    plan = f", plan {alert.plan}" if alert.plan else ""
    period = "" if alert.slot.period == "now" else f", period {alert.slot.period}"
    return f"{alert.slot.rule}, {alert.severity.value}{period}{plan}"
