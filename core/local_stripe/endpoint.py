"""The ASGI endpoint: key, body, idempotency, operation, answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from secrets import compare_digest

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from meterdeck.core.local_stripe import forms, request_options, v2_meter_events
from meterdeck.core.local_stripe.answers import (
    Answer,
    Asked,
    answer_of,
    asked_by,
    refused,
    replayed,
    response_of,
    stored,
)
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.faults.lanes import Lanes
from meterdeck.core.local_stripe.idempotency import KEPT_BY_V2, IdempotencyKeys
from meterdeck.core.local_stripe.operations import Caller, Operation
from meterdeck.core.local_stripe.refusals import (
    LocalStripeRefusal,
    internal_error,
    invalid,
    no_key,
    restricted_key,
    unknown_url,
    wrong_key,
)
from meterdeck.core.local_stripe.running import run
from meterdeck.core.local_stripe.wire import Raw
from meterdeck.core.local_stripe.world import World

_log = logging.getLogger("meterdeck.local_stripe")
# The terminal belongs to whoever runs the sandbox; a handler of theirs may listen.
_log.addHandler(logging.NullHandler())

Pace = Callable[[str, str], Awaitable[None]]


class Endpoint:
    """Answer every request of the application.

    `pace`, when set, is awaited with method and path after a request claimed its
    idempotency key and before it runs: the place for slowness.
    """

    def __init__(self, world: World, api_key: str) -> None:
        self.pace: Pace | None = None
        self._world = world
        self._api_key = api_key
        self._restricted_key = f"rk_{api_key.removeprefix('sk_')}"
        self.keys = IdempotencyKeys()
        self.keys_of_v2 = IdempotencyKeys(kept_for=KEPT_BY_V2)
        self._lanes = Lanes(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = await request.body()
        answer = await self._answer(request, body)
        await response_of(answer, self._world.now())(scope, receive, send)

    def keep(self, key: str, asked: Asked, answer: Answer) -> None:
        """Replay another answer to a key than its request was given.

        Of v2's only good ones are replayed: a request that failed is run again.
        """
        if not asked.is_v2:
            self.keys.store(key, stored(asked, answer))
        elif answer.status == 200:
            self.keys_of_v2.store(key, stored(asked, answer))
        else:
            self.keys_of_v2.release(key)
        self._world.save()

    async def _answer(self, request: Request, body: bytes) -> Answer:
        path = request.url.path
        asked = asked_by(request, self._world.ids.request())
        try:
            answer = await self._allowed(request, path, body, asked)
            # What is answered is kept; where that fails, it is not answered.
            self._world.save()
        except Exception:
            _log.exception("local stripe failed: %s %s", request.method, path)
            answer = refused(asked, internal_error(), self._world.ids.account)
        return answer

    async def _allowed(
        self, request: Request, path: str, body: bytes, asked: Asked
    ) -> Answer:
        try:
            return await self._authorised(request, path, body, asked)
        except LocalStripeRefusal as refusal:
            return refused(asked, refusal, self._world.ids.account)

    async def _authorised(
        self, request: Request, path: str, body: bytes, asked: Asked
    ) -> Answer:
        found = OPERATIONS.find(request.method, path)
        token = _token(request.headers.get("authorization", ""))
        if found is not None and found[0].by_session:
            v2_meter_events.check_session(self._world, token)
        else:
            self._check_key(token, asked)
        request_options.check(request.headers, self._world.ids.account)
        if found is None:
            raise unknown_url(request.method, path)
        operation, ids = found
        raw = _raw(request, operation, body)
        agent = request.headers.get("user-agent", "")
        caller = Caller(asked.request_id, asked.key, agent)

        async def answer() -> Answer:
            if self.pace is not None:
                await self.pace(request.method, path)
            if self._world.panel.at_once:
                return answer_of(asked, run(self._world, operation, ids, raw, caller))
            async with self._lanes.held(request.method, path, raw):
                return answer_of(asked, run(self._world, operation, ids, raw, caller))

        if asked.key is None or request.method != "POST":
            return await answer()
        return await self._once(asked, asked.key, _fingerprint(path, raw), answer)

    def _check_key(self, token: str, asked: Asked) -> None:
        """Take the secret key, and for v1 the restricted one beside it."""
        if not token:
            raise no_key()
        if compare_digest(token.encode(), self._restricted_key.encode()):
            if asked.is_v2:
                raise restricted_key()
        elif not compare_digest(token.encode(), self._api_key.encode()):
            raise wrong_key(token)

    async def _once(
        self,
        asked: Asked,
        key: str,
        fingerprint: str,
        run_it: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Answer by the key, kept only if its request ran; for v2, if it went well."""
        keys = self.keys_of_v2 if asked.is_v2 else self.keys
        kept = keys.begin(key, fingerprint, self._world.now())
        if kept is not None:
            return replayed(asked, kept)
        answer: Answer | None = None
        try:
            answer = await run_it()
        except LocalStripeRefusal as refusal:
            if asked.is_v2 or not refusal.ran:
                raise
            answer = refused(asked, refusal, self._world.ids.account)
        finally:
            if answer is None:
                keys.release(key)
        keys.store(key, stored(asked, answer))
        return answer


def _token(authorization: str) -> str:
    """Give the key of a Bearer or Basic header, empty without one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _raw(request: Request, operation: Operation, body: bytes) -> dict[str, Raw]:
    if request.method != "POST":
        return forms.parse(request.url.query)
    if not operation.is_v2:
        return forms.parse(body.decode(errors="replace"))
    try:
        raw = forms.from_python(json.loads(body or b"{}"))
    except (ValueError, RecursionError) as error:
        raise invalid("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(raw, dict):
        raise invalid("The body must be a JSON object.", code="invalid_json")
    return raw


def _fingerprint(path: str, raw: dict[str, Raw]) -> str:
    """Give what a repeat must have in common: Stripe compares the parameters."""
    parameters = json.dumps(raw, sort_keys=True).encode()
    return f"{path} {hashlib.sha256(parameters).hexdigest()}"
