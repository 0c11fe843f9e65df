"""One meter event in full: its windows, every request, what was sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from textual import events
from textual.strip import Strip

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.event_changes import length_words
from meterdeck.core.model.ledger import EventStory, LedgerEvent
from meterdeck.core.model.windows import Window, next_to_close
from meterdeck.tui import event_words, phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

SOON = timedelta(hours=1)
"""A window that closes within this time is pointed out."""

_LABEL = 13
_TALL = 26
"""Lines from which on there is room to set the parts apart."""


class EventDetail(Panel):
    """An event's story, scrolled where it is longer than the screen.

    Args:
        event: What is known of it before its story is read.
    """

    GROUND = Ground.PANEL

    def __init__(self, event: LedgerEvent) -> None:
        super().__init__()
        self._event = event
        self._picture: Picture | None = None
        self._story: EventStory | None = None
        self._problem = ""
        self._skipped = 0

    def show(self, picture: Picture, story: EventStory | None = None) -> None:
        """Show a story, or the one before with the time as it is now."""
        self._picture, self.stale = picture, picture.stale
        if story is not None:
            self._story, self._event, self._problem = story, story.event, ""
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why the event cannot be shown."""
        self._problem = problem
        self.repaint()

    def scroll_by(self, lines: int) -> None:
        """Move down or up."""
        self._skipped = max(self._skipped + lines, 0)
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def lines(self) -> list[Strip]:
        story, picture = self._story, self._picture
        if picture is None:
            return []
        made = [self._title(picture), self._identity()]
        if said := self._problem or event_words.said(self._event):
            role = event_words.sign_of(self._event)[1]
            made.append(self._text(said, Role.HIGH if self._problem else role))
        if story is None:
            waits = [] if self._problem else ["looking for the rest …"]
            return made + [self._text(each, Role.MUTED) for each in waits]
        now = picture.now()
        body = [
            *([self.blank()] if self.size.height > _TALL else []),
            *self._windows(story, now),
            *self._attempts(story, now),
            *self._sent(story),
        ]
        room = max(self.size.height - len(made), 1)
        self._skipped = min(self._skipped, max(len(body) - room, 0))
        return made + body[self._skipped : self._skipped + room]

    def _title(self, picture: Picture) -> Strip:
        width, style = self.size.width, self.palette.style
        event, line = self._event, Line()
        sign, role = event_words.sign_of(event)
        line.add(f" {sign} {event_words.state_words(event)}  ",
                 style(role, Ground.BAR, bold=True))  # fmt: skip
        resource = event_words.resource_of(event.line, picture)
        value = event_words.value_words(event.line)
        name = event_words.tenant_of(event.line, picture).name
        where = " · ".join(
            part for part in (name, resource.label, event.line.period) if part
        )
        room = max(width - line.width - len(value) - 4, 8)
        line.field(where, room, style(Role.BRIGHT, Ground.BAR, bold=True))
        align_right(line, value, width, style(Role.TEXT, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _identity(self) -> Strip:
        line, story = self._event.line, self._story
        parts = [line.event.identifier, event_words.SOURCES[line.source]]
        if story is not None and story.confirmed_at is not None:
            parts.append(f"summary agreed {phrases.moment(story.confirmed_at)}")
        return self._text(" · ".join(parts), Role.MUTED)

    def _windows(self, story: EventStory, now: datetime) -> list[Strip]:
        nearest = next_to_close(story.windows, now)
        return [
            self._heading("Windows", ""),
            *(self._window(each, now, nearest) for each in story.windows),
        ]

    def _window(self, window: Window, now: datetime, nearest: Window | None) -> Strip:
        style, ground = self.palette.style, self.GROUND
        muted, left = style(Role.MUTED, ground), window.left(now)
        line = Line().add("   ", muted)
        line.field(phrases.WINDOW_WORDS[window.kind], _LABEL, muted)
        if not window.is_open(now):
            words, role = "closed", Role.MUTED
        else:
            role = Role.NEAR if left < SOON else Role.TEXT
            words = f"{length_words(left)} left"
        line.field(words, 15, style(role, ground, bold=window is nearest))
        means = phrases.WINDOW_MEANS[window.kind]
        line.add(f"{phrases.moment(window.closes_at)}  ", muted)
        line.field(means, max(self.size.width - line.width, 0), muted)
        return line.strip(self.size.width, muted)

    def _attempts(self, story: EventStory, now: datetime) -> list[Strip]:
        told = f"{len(story.attempts):,}" if story.attempts else ""
        made = [self.blank(), self._heading("Requests", told)]
        if not story.attempts:
            made.append(self._text("  the log tells of none", Role.MUTED))
        for attempt in story.attempts:
            made += self._attempt(attempt, now, story.event.line.event.identifier)
        return made

    def _attempt(self, attempt: Attempt, now: datetime, identifier: str) -> list[Strip]:
        style, ground, width = self.palette.style, self.GROUND, self.size.width
        text, muted = style(Role.TEXT, ground), style(Role.MUTED, ground)
        sign, role = event_words.ANSWERS[attempt.answer]
        line = Line().add(f"   {phrases.recent(attempt.at, now)} ", muted)
        line.field(f"{sign} {attempt.answer.value}", 12, style(role, ground))
        status = str(attempt.status) if attempt.status else ""
        line.field(status, 5, text)
        took = phrases.latency(attempt.latency_ms) if attempt.latency_ms else ""
        line.field(took, 8, muted)
        room = max(width - line.width - 1, 0)
        key = attempt.idempotency_key
        facts = [fact for fact in (attempt.code, attempt.request_id, key) if fact]
        if key.startswith(identifier) and len("  ".join(facts)) > room:
            facts[-1] = f"key …{key.removeprefix(identifier)}"
        line.field("  ".join(facts), room, muted)
        made = [line.strip(width, muted)]
        if attempt.message:
            made.append(self._text(f"            {attempt.message}", role))
        return made

    def _sent(self, story: EventStory) -> list[Strip]:
        text = json.dumps(story.body, indent=2, ensure_ascii=False)
        made = [self.blank(), self._heading("Sent as", "the body of each request")]
        return made + [self._text(f"  {each}", Role.TEXT) for each in text.split("\n")]

    def _heading(self, title: str, note: str) -> Strip:
        style, ground = self.palette.style, self.GROUND
        line = Line().add(f" {title}", style(Role.ACCENT, ground, bold=True))
        if note:
            line.add(f"  {note}", style(Role.MUTED, ground))
        return line.strip(self.size.width, style(Role.TEXT, ground))

    def _text(self, text: str, role: Role) -> Strip:
        width, style = self.size.width, self.palette.style(role, self.GROUND)
        line = Line().add(" ", style).field(text, width - 2, style)
        return line.strip(width, style)
