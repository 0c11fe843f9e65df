"""One run of a command: its arguments, its context, its output."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from meterdeck.core.errors import NotFound
from meterdeck.core.model.context import Context, unverified
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId, Usage
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import load_context
from meterdeck.tui.cli.arguments import begun_by, config_of, flags_of, output_of
from meterdeck.tui.cli.failure import interrupted
from meterdeck.tui.cli.output import Output, note


@dataclass(frozen=True, slots=True)
class Call:
    """A command at work in its context."""

    args: Namespace
    context: Context
    engine: Engine
    out: Output

    async def tenant(self, *, counted: bool = False) -> Tenant:
        """Return the tenant that the command names, by its id or its customer's.

        Args:
            counted: Accept a tenant that only its counters tell of.

        Raises:
            NotFound: Neither the directory nor a counter knows it.
        """
        name: str = self.args.tenant
        try:
            return await self.engine.directory.get(name)
        except NotFound:
            stranger = Tenant(TenantId(name), name)
            if counted and any(map(_is_counted, await self.engine.usage.usage(name))):
                return stranger
        raise NotFound(
            f"context {self.context.name} has no tenant {visible(name)};"
            " look for it with: meterdeck tenants --filter TEXT"
        )

    async def tenant_id(self) -> TenantId | None:
        """Return the id of the tenant that the command names; None for all tenants.

        A name that nobody knows is an id: what was done to a tenant outlives it.
        """
        name: str | None = self.args.tenant
        if name is None:
            return None
        try:
            return (await self.engine.directory.get(name)).id
        except NotFound:
            return TenantId(name)

    async def usage_of(self, tenant: Tenant, resource: str) -> Usage:
        """Return one counter as it stands.

        Raises:
            NotFound: The resource is not configured.
        """
        wanted = self.context.resource(resource).name
        found = await self.engine.usage.usage(tenant)
        return next(usage for usage in found if usage.resource == wanted)

    def refuse_read_only(self) -> None:
        """Refuse to go on where the context allows no changes.

        Raises:
            ReadOnly: It does not.
        """
        self.context.check_writable()


def _is_counted(usage: Usage) -> bool:
    return usage.used != 0


def _writes(args: Namespace) -> bool:
    """Tell whether a command writes by what every such command takes."""
    if getattr(args, "dry_run", False):
        return False
    return hasattr(args, "operation_id") or hasattr(args, "call_id")


def run_call(
    args: Namespace,
    work: Callable[[Call], Coroutine[Any, Any, int]],
    *,
    without_stripe: bool = False,
) -> int:
    """Load the context, open the engine, do `work`, and return its exit code."""
    context = context_of(args)
    if without_stripe:
        context = replace(context, stripe=None)
    if getattr(args, "no_wait", False):
        context = replace(context, requests=replace(context.requests, wait_s=0.0))
    return run_in(args, context, work)


def run_in(
    args: Namespace,
    context: Context,
    work: Callable[[Call], Coroutine[Any, Any, int]],
) -> int:
    """Open the engine of a context, do `work`, and return its exit code."""
    return asyncio.run(_work(args, context, work))


async def _work(
    args: Namespace,
    context: Context,
    work: Callable[[Call], Coroutine[Any, Any, int]],
) -> int:
    async with Engine(context) as engine:
        if _writes(args) and not context.read_only:
            await engine.contract.enter()
        out = output_of(args)
        try:
            return await work(Call(args, context, engine, out))
        except asyncio.CancelledError:  # Ctrl-C
            if (operation_id := begun_by(args)) is not None:
                interrupted(operation_id, as_json=out.as_json)
            raise


def context_of(
    args: Namespace, *, with_stripe: bool = True, with_key: bool = True
) -> Context:
    """Return the context that the flags, the environment and the file agree on.

    Args:
        with_stripe: False leaves Stripe out, and its key where it is.
        with_key: False as well, and checks all the rest; see `load_context`.
    """
    context = load_context(
        config=config_of(args),
        context=getattr(args, "context", None),
        flags=flags_of(args),
        with_stripe=with_stripe,
        with_key=with_key,
    )
    if said := unverified(context):
        note(f"meterdeck: {said}")
    return context
