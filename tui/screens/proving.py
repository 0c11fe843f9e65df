"""Verifying audit trails from a screen: one tenant's or all, with progress."""

from __future__ import annotations

from concurrent.futures import Future

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.audit import AuditVerdict, BrokenChain
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.engine import Engine
from meterdeck.tui import phrases
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.audit_detail import AuditDetail

_TOLD_EVERY = 50  # trails


class Proving(AreaScreen):
    """Has an `AuditDetail`, which says what was found."""

    class Proved(Message):
        """Trails were verified, or could not be."""

        def __init__(self, whose: str, future: Future[AuditVerdict]) -> None:
            self.whose = whose
            self.future = future
            super().__init__()

    class Progress(Message):
        """So many of all trails were verified."""

        def __init__(self, done: int, trails: int) -> None:
            self.done = done
            self.trails = trails
            super().__init__()

    _proving = False

    def do_verify(self) -> None:
        from meterdeck.tui.dialogs.verify import VerifyDialog  # noqa: PLC0415  # rare

        if self._proving:
            text = "trails are being verified already"
            self.console.say(text, title="verify", severity="warning")
            return
        self.app.push_screen(VerifyDialog(self.subject), self._verify)

    def _verify(self, whose: TenantId | str | None) -> None:
        if whose is None:
            return
        self._proving = True
        self.query_one(AuditDetail).prove("verifying …", sound=True)
        future = self.console.runtime.submit(
            lambda engine: self._prove(engine, str(whose))
        )
        tell(self, future, lambda done: self.Proved(str(whose), done))

    async def _prove(self, engine: Engine, whose: str) -> AuditVerdict:
        """Verify; runs in the engine's thread."""
        if not whose:
            return await engine.changes.verify_audits(self._told)
        broken = await engine.changes.verify_audit(whose)
        return AuditVerdict(1, 0, (broken,) if broken else ())

    def _told(self, done: int, trails: int) -> None:
        if done % _TOLD_EVERY < 8:
            self.post_message(self.Progress(done, trails))

    def on_proving_progress(self, message: Progress) -> None:
        if self._proving:
            text = f"verifying … {message.done:,} of {message.trails:,} trails"
            self.query_one(AuditDetail).prove(text, sound=True)

    def on_proving_proved(self, message: Proved) -> None:
        self._proving = False
        error, detail = message.future.exception(), self.query_one(AuditDetail)
        if isinstance(error, MeterdeckError):
            detail.prove(f"not verified: {error}", sound=False)
            return
        if error is not None:
            raise error
        verdict = message.future.result()
        at = phrases.clock(self.console.now())
        text = _verdict_words(message.whose, verdict)
        detail.prove(f"{at}: {text}", sound=not verdict.broken)


def _verdict_words(whose: str, verdict: AuditVerdict) -> str:
    if not verdict.broken:
        if whose:
            return f"the trail of {whose} is as it was written"
        return (
            f"all {verdict.trails:,} trails are as they were written,"
            f" {verdict.entries:,} entries"
        )
    told = "; ".join(map(_broken_words, verdict.broken))
    if whose:
        return told
    return f"{len(verdict.broken):,} of {verdict.trails:,} are not: {told}"


def _broken_words(broken: BrokenChain) -> str:
    entry = f" entry {broken.entry_id}" if broken.entry_id else ""
    return f"{broken.tenant}{entry}: {broken.problem}"
