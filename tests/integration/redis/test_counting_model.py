"""Counting against a plain model: any sequence of steps, the same keys after each."""

import asyncio
import os
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tests.support.counting_sequences import scenes, starts
from tests.support.counting_steps import Again, Step
from tests.support.counting_world import World
from tests.support.frozen_clock import FrozenClock

from meterdeck.core.sandbox.valkey import Valkey

EXAMPLES = int(os.environ.get("METERDECK_EXAMPLES", "0"))
"""0: always the same ones; else so many new ones."""

NO_SHRINK = "METERDECK_NO_SHRINK" in os.environ
"""Whether a failure is shown as it was found: enough to see that there is one."""

LONGEST_S = 25.0
"""An example that took longer says nothing: what is kept for ten minutes is not."""


async def play(world: World, start: datetime, chosen: list[Step]) -> None:
    """Do all steps; in the end every id that is known gets its first answer."""
    await world.begin(start)
    for step in chosen:
        await step.run(world)
    for which in range(len(world.model.calls)):
        await Again(0, which).run(world)


@pytest.mark.parametrize(
    ("kind", "examples"), [("valkey_server", 90), ("redis7_server", 20)]
)
@pytest.mark.timeout(600)  # what fails is made as short as possible first
def test_every_sequence_of_steps_leaves_the_keys_that_the_model_has(
    kind: str,
    examples: int,
    request: pytest.FixtureRequest,
    frozen_clock: FrozenClock,
) -> None:
    """Consume, reserve, confirm, release, expire, adjust, override, undo, another plan
    or cycle, a period's end, by three clients, alone and at once, with repeated ids
    and lost answers."""
    server: Valkey = request.getfixturevalue(kind)
    loop = asyncio.new_event_loop()
    world = World(server.url, frozen_clock)

    @settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate] if NO_SHRINK else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(starts, st.lists(scenes, min_size=15, max_size=24))
    def check(start: datetime, chosen: list[list[Step]]) -> None:
        try:
            loop.run_until_complete(
                play(world, start, [step for scene in chosen for step in scene])
            )
        except AssertionError:
            assume(world.took_s < LONGEST_S)
            raise

    try:
        loop.run_until_complete(world.__aenter__())
        check()
    finally:
        loop.run_until_complete(world.__aexit__())
        loop.close()
