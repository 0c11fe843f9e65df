"""The applications of docs/middleware.md, as they stand there."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from docs.examples import fastapi_app, starlette_app
from tests.integration.middleware.applications import PATIENT_S, counted, served
from tests.support.contexts import IMAGES

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.middleware.asgi import App
from meterdeck.core.model.context import Context, LibraryOptions
from meterdeck.core.sandbox.valkey import Valkey

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def client_of(
    app: App, headers: dict[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application by uvicorn, with its lifespan, and give a client of it."""
    async with (
        served(app) as address,
        httpx.AsyncClient(
            base_url=address, headers=headers, timeout=PATIENT_S
        ) as client,
    ):
        yield client


async def test_the_fastapi_application_checks_before_it_works(
    context: Context, valkey_client: Redis
) -> None:
    """Images cost two of ten; the sixth is refused; retries and failures are free."""
    key = {"authorization": "Bearer key-of-acme"}
    patient = LibraryOptions(call_timeout_s=PATIENT_S)
    app = fastapi_app.create_app(replace(context, library=patient))
    async with client_of(app, key) as client:
        images = [(await client.post("/v1/images")).status_code for _ in range(6)]
        for _ in range(3):
            again = await client.get("/v1/hello", headers={"idempotency-key": "k"})
        nobody = await client.get("/v1/hello", headers={"authorization": ""})
        failed = await client.post("/v1/reports")
        free = [(await client.get(p)).status_code for p in ("/health", "/docs")]
        metrics = (await client.get("/metrics")).json()

    assert images == [200] * 5 + [429]
    assert again.json() == {"hello": "world"}
    assert nobody.status_code == 401
    assert free == [200, 200]
    assert failed.status_code == 500
    assert metrics == {
        "usage_allowed": 9,
        "usage_refused": 1,
        "usage_given_back": 1,
        "usage_faults": 0,
    }
    assert await counted(valkey_client, resource=IMAGES) == 10
    assert await counted(valkey_client) == 1


async def test_the_starlette_application_counts_what_it_answered(
    context: Context, valkey_client: Redis
) -> None:
    """Images at the number drawn, a story as one call, nobody's request not at all."""
    app = starlette_app.create_app(context)
    async with client_of(app, {"x-api-key": "key-of-globex"}) as client:
        drawn = await client.post("/v1/images?n=3")
        story = await client.get("/v1/story")
        nobody = await client.get("/v1/story", headers={"x-api-key": "?"})
        await client.get("/health")

    assert len(drawn.json()) == 3
    assert story.text == "Once\nupon\na time\n"
    assert nobody.status_code == 401
    assert await counted(valkey_client, "globex", IMAGES) == 3
    assert await counted(valkey_client, "globex") == 1


@pytest.mark.parametrize("name", ["fastapi_app", "starlette_app"])
async def test_the_command_in_the_example_runs_it(
    name: str, valkey: Valkey, valkey_client: Redis, tmp_path: Path
) -> None:
    """uvicorn starts it from settings in the environment; a request is counted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "METERDECK_DEFAULT_CONTEXT": "here",
        "METERDECK_RESOURCES__API_CALLS__LABEL": "API calls",
        "METERDECK_RESOURCES__IMAGES__LABEL": "Images",
        "METERDECK_CONTEXTS__HERE__MODE": "test",
        "METERDECK_CONTEXTS__HERE__REDIS__URL": valkey.url,
        "METERDECK_CONTEXTS__HERE__LIBRARY__CALL_TIMEOUT_SECONDS": "60",
        "METERDECK_STATE_DIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "uvicorn", "--factory", f"docs.examples.{name}:create_app"),
        *("--port", str(port), "--log-level", "warning"),
        cwd=ROOT,
        env={**os.environ, **settings},
    )
    keys = {"authorization": "Bearer key-of-acme", "x-api-key": "key-of-acme"}
    try:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=PATIENT_S) as client:
            await _until_healthy(client, process)
            answer = await client.post("/v1/images", headers=keys)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    assert answer.status_code == 200
    assert await counted(valkey_client, resource=IMAGES) > 0


async def _until_healthy(
    client: httpx.AsyncClient, process: asyncio.subprocess.Process
) -> None:
    async with asyncio.timeout(PATIENT_S):
        while True:
            assert process.returncode is None, "the application ended"
            try:
                if (await client.get("/health")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


def test_what_the_page_shows_is_in_the_examples() -> None:
    """Each piece of Python in docs/middleware.md stands in one of the two files."""
    page = (ROOT / "docs" / "middleware.md").read_text()
    files = sorted((ROOT / "docs" / "examples").glob("*.py"))
    code = "\n".join(_flat(each.read_text()) for each in files)
    shown = [each.split("```")[0] for each in page.split("```python\n")[1:]]

    assert len(shown) == 2
    assert all(_flat(each) in code for each in shown)


def _flat(code: str) -> str:
    return "\n".join(line.strip() for line in code.strip().splitlines())
