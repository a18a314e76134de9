"""A guard that an ASGI server loads by its name, deciding by what a real server of decisions says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from appeals_server import KEY
from served_decisions import CUSTOMER, HARVESTER, Deployment, ask, until

from stillwatch.enforcement.asgi_environment import EnvironmentGuard
from stillwatch.enforcement.snapshot_sources import signing_key_at
from stillwatch.identity import GatewayKeys
from stillwatch.identity.signing_keys import public_file_of
from stillwatch.listening.senders import add_sender
from stillwatch.records import InputError, Step

PATH = "/v1/chat/completions"
# As vLLM does with --middleware: a class by its name, added to a FastAPI application.
SERVER = """
import importlib, socket, sys
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()

@app.post("/v1/chat/completions")
async def chat():
    async def events():
        yield "data: one\\n\\n"
        yield "data: two\\n\\n"
    return StreamingResponse(events(), media_type="text/event-stream")

module, _, name = "stillwatch.enforcement.asgi_environment.EnvironmentGuard".rpartition(".")
app.add_middleware(getattr(importlib.import_module(module), name))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
"""


def environment(deployment: Deployment, url: str, folder: Path, **more: str) -> dict[str, str]:
    keys = folder / "gateway-keys"
    if not keys.exists():
        GatewayKeys.of(KEY).write(keys)
    signing_key_at(deployment.state)
    return {
        "STILLWATCH_GUARD_SNAPSHOT_URL": f"{url}/v1/snapshot",
        "STILLWATCH_GUARD_STATE": str(folder / "guard"),
        "STILLWATCH_GUARD_KEYS": str(keys),
        "STILLWATCH_GUARD_VERIFY_KEY": str(public_file_of(deployment.state / "signing-key.pem")),
        **more,
    }


@contextmanager
def guarded(said: dict[str, str]) -> Iterator[str]:
    """A server of its own process."""
    words = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        words, env={**os.environ, **said}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def test_a_server_loads_it_and_obeys_the_store(deployment: Deployment, tmp_path: Path) -> None:
    """A block is 403 with the reference, streams come through, and the first server may die."""
    reference = deployment.act(Step.BLOCK)
    tokens = tmp_path / "tokens"
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(add_sender(tokens, "vllm") + "\n")
    with deployment.served(tokens=tokens) as url:
        said = environment(deployment, url, tmp_path, STILLWATCH_GUARD_TOKEN_FILE=str(tmp_path / "token"))  # fmt: skip
        with guarded(said) as model:
            until(lambda: ask(model, "POST", PATH, key=HARVESTER).status == 403)
            refused = ask(model, "POST", PATH, key=HARVESTER)
            assert refused.headers["x-refusal-reference"] == reference
            passed = ask(model, "POST", PATH, key=CUSTOMER)
            assert (passed.status, passed.body) == (200, b"data: one\n\ndata: two\n\n")
    with guarded(said) as model:  # started anew, while nobody serves
        assert ask(model, "POST", PATH, key=HARVESTER).status == 403
        assert ask(model, "POST", PATH, key=CUSTOMER).status == 200


def test_where_nothing_can_be_fetched_everything_passes(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Until the first snapshot is there."""
    with guarded(environment(deployment, "http://127.0.0.1:9", tmp_path)) as model:
        assert ask(model, "POST", PATH, key=HARVESTER).status == 200


@pytest.mark.parametrize("name", ["SNAPSHOT_URL", "STATE", "KEYS", "VERIFY_KEY"])
def test_what_is_not_set_up_stops_the_start(
    deployment: Deployment, tmp_path: Path, name: str
) -> None:
    """And says which variable; a guard that guards nothing would be worse."""
    said = environment(deployment, "http://127.0.0.1:9", tmp_path)
    del said[f"STILLWATCH_GUARD_{name}"]

    async def app(*_: object) -> None:
        """Nothing."""

    with pytest.raises(InputError, match=name):
        EnvironmentGuard(app, said)
