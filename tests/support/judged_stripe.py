"""A local Stripe whose every answer, good or bad, the official SDK's types judge."""

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from stripe import ErrorObject
from tests.support.sdk_judge import unexplained, unlike_the_sdk
from tests.support.sdk_types import differences

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.catalogue import OPERATIONS


class JudgedStripe(LocalStripe):
    """Write down in `unlike` what is not as the SDK types it, however it was asked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.unlike: list[str] = []
        self.app = self._judged(self.app)

    def call(self, method: str, path: str, params: Any) -> dict[str, object]:
        """Answer, and judge the answer."""
        answer = super().call(method, path, params)
        self._judge(method, path, answer)
        return answer

    def _judge(self, method: str, path: str, answer: dict[str, object]) -> None:
        found = OPERATIONS.find(method, path)
        if found is not None:
            self.unlike += unexplained(unlike_the_sdk(found[0], answer))

    def _judge_error(self, path: str, error: dict[str, object]) -> None:
        self.unlike += [f"{path} {each}" for each in differences(error, ErrorObject)]
        if list(error) != sorted(error):
            self.unlike.append(f"{path} error: {list(error)} is not in order")

    def _judged(self, app: ASGIApp) -> ASGIApp:
        async def judged(scope: Scope, receive: Receive, send: Send) -> None:
            status, body = 0, b""

            async def overhear(message: Message) -> None:
                nonlocal status, body
                status = message.get("status", status)
                body += message.get("body", b"")
                await send(message)

            await app(scope, receive, overhear)
            path = scope["path"]
            if status == 200:
                self._judge(scope["method"], path, json.loads(body))
            elif path.startswith("/v1/"):
                self._judge_error(path, json.loads(body)["error"])

        return judged
