"""What the local Stripe answers instead of an object."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.errors import Refused
from meterdeck.core.local_stripe.wire import Json


class LocalStripeRefusal(Refused):
    """The local Stripe's error answer.

    Attributes:
        status: HTTP status.
        kind: The envelope's `type`; empty for v2 errors that have none.
        message: Stripe's text.
        code: Stripe's code, empty where it gives none.
        param: The parameter it is about, empty where there is none.
        ran: Whether the request passed validation: then the answer is stored under
            its idempotency key and carries `Stripe-Should-Retry: false`.
        headers: Of this answer, beside those that every one has.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        ran: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.headers = headers or {}
        self.status = status
        self.kind = kind
        self.message = message
        self.code = code
        self.param = param
        self.ran = ran
        super().__init__(message)

    def envelope(self, account: str, request_id: str) -> Json:
        """Give the v1 error body, keys in the alphabet's order."""
        error: Json = {}
        if self.code:
            error["code"] = self.code
            dashed = self.code.replace("_", "-")
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{dashed}"
        error["message"] = self.message
        if self.param:
            error["param"] = self.param
        if self.status != 401:
            logs = f"https://dashboard.stripe.com/{account}/test/workbench/logs"
            error["request_log_url"] = f"{logs}?object={request_id}"
        error["type"] = self.kind
        return {"error": error}

    def v2_envelope(self) -> Json:
        """Give the v2 error body."""
        error: Json = {"code": self.code} if self.code else {}
        error["message"] = self.message
        if self.kind:
            error["type"] = self.kind
        return {"error": error}


def missing_param(name: str) -> LocalStripeRefusal:
    """Refuse a request without a required parameter."""
    return LocalStripeRefusal(
        f"Missing required param: {name}.", code="parameter_missing", param=name
    )


def unknown_params(names: list[str]) -> LocalStripeRefusal:
    """Refuse parameters Stripe does not have."""
    plural = "s" if len(names) > 1 else ""
    return LocalStripeRefusal(
        f"Received unknown parameter{plural}: {', '.join(names)}",
        code="parameter_unknown",
        param=names[0],
    )


def unsupported_param(name: str) -> LocalStripeRefusal:
    """Refuse a parameter that Stripe has and this sandbox has not."""
    return LocalStripeRefusal(
        f"The local Stripe does not support the parameter {name}; remove it.",
        param=name,
    )


def invalid(message: str, param: str = "", code: str = "") -> LocalStripeRefusal:
    """Refuse a value before anything ran."""
    return LocalStripeRefusal(message, param=param, code=code)


def rejected(message: str, param: str = "", code: str = "") -> LocalStripeRefusal:
    """Refuse a valid request because of what the account holds."""
    return LocalStripeRefusal(message, param=param, code=code, ran=True)


def no_such(noun: str, object_id: str, param: str = "id") -> LocalStripeRefusal:
    """Refuse an unknown id: 404 for the path's `id`, 400 for any parameter."""
    return LocalStripeRefusal(
        f"No such {noun}: '{object_id}'",
        status=404 if param == "id" else 400,
        code="resource_missing",
        param=param,
    )


def unknown_url(method: str, path: str) -> LocalStripeRefusal:
    """Refuse a path Stripe does not answer."""
    advice = (
        " If you are trying to list objects, remove the trailing slash. If you are"
        " trying to retrieve an object, make sure you passed a valid (non-empty)"
        " identifier in your code."
    )
    return LocalStripeRefusal(
        f"Unrecognized request URL ({method}: {path})."
        f"{advice if path.endswith('/') else ''} Please see https://stripe.com/docs or"
        " we can help at https://support.stripe.com/.",
        status=404,
    )


def no_key() -> LocalStripeRefusal:
    """Refuse a request without a key."""
    return LocalStripeRefusal(
        "You did not provide an API key. You need to provide your API key in the"
        " Authorization header, using Bearer auth (e.g. 'Authorization: Bearer"
        " YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for"
        " details, or we can help at https://support.stripe.com/.",
        status=401,
    )


def wrong_key(key: str) -> LocalStripeRefusal:
    """Refuse a key of somebody else, showing no more of it than Stripe does."""
    kind, _, secret = key.rpartition("_")
    shown = secret[-4:] if len(secret) > 8 else ""
    hidden = "*" * (len(secret) - len(shown))
    prefix = f"{kind}_" if kind in {"sk_test", "sk_live", "rk_test", "rk_live"} else ""
    return LocalStripeRefusal(
        f"Invalid API Key provided: {prefix}{hidden}{shown}", status=401
    )


def restricted_key() -> LocalStripeRefusal:
    """Refuse a restricted key, which API v2 does not take."""
    return LocalStripeRefusal(
        "API v2 does not accept restricted API keys. Use a secret key instead.",
        status=403,
    )


def internal_error() -> LocalStripeRefusal:
    """Answer for a fault of the local Stripe itself."""
    return LocalStripeRefusal("An unknown error occurred", status=500, kind="api_error")
