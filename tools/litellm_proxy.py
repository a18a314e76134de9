"""Runs a real LiteLLM proxy, in its own environment, for the recorder and the gateway test."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_environment import make_environment

__all__ = ["LITELLM_VERSION", "Proxy", "litellm_proxy"]

LITELLM_VERSION = "1.106.2"
# A cold start imports half a gigabyte; on two cores that others used, too, it took four minutes.
_START_SECONDS = 600

# The proxy knows its customers from this hook, LiteLLM's own way to run without a database.
_AUTH = """
import json
from pathlib import Path

from fastapi import HTTPException
from litellm.proxy._types import UserAPIKeyAuth

ACCOUNTS = json.loads((Path(__file__).parent / "accounts.json").read_text())


async def authenticate(request, api_key):
    if api_key not in ACCOUNTS:
        raise HTTPException(status_code=401, detail="unknown key")
    return UserAPIKeyAuth(
        api_key=api_key, metadata={"allow_client_mock_response": True}, **ACCOUNTS[api_key]
    )
"""

# The proxy makes the rows of its table LiteLLM_SpendLogs itself; without a database it drops
# them. Here they go to a file in place of the insertion, and nothing else is changed.
_SPEND_LOG = """
import litellm
from litellm.proxy.db.db_spend_update_writer import DBSpendUpdateWriter
from litellm.proxy.hooks.proxy_track_cost_callback import ProxyDBLogger


async def _write_row(self, payload, prisma_client=None, spend_logs_url=None, llm_router=None):
    with (Path(__file__).parent / "spend_logs.ndjson").open("a") as file:
        file.write(json.dumps(payload, default=str) + "\\n")


DBSpendUpdateWriter._insert_spend_log_to_db = _write_row
_without_rows = authenticate


async def authenticate(request, api_key):
    if not any(isinstance(callback, ProxyDBLogger) for callback in litellm.callbacks):
        litellm.logging_callback_manager.add_litellm_callback(ProxyDBLogger())
        litellm.logging_callback_manager.add_litellm_async_success_callback(ProxyDBLogger())
    return await _without_rows(request, api_key)
"""

_CONFIG = """
model_list:
  - model_name: "*"
    litellm_params:
      model: openai/stand-in
      api_key: not-a-key
      api_base: {provider}
litellm_settings:
  callbacks: ["generic_api"]
  num_retries: 0
  drop_params: true
  turn_off_message_logging: {redacted}
  request_timeout: 600
callback_settings:
  generic_api:
    callback_type: generic_api
    endpoint: {endpoint}
    headers: {{}}
    log_format: {log_format}
general_settings:
  custom_auth: auth_of_the_test.authenticate
  store_prompts_in_spend_logs: {stored}
{more}"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy."""

    url: str

    def post(
        self, path: str, body: dict[str, Any], *, key: str, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """One request: the HTTP status, and LiteLLM's id of the call."""
        request = urllib.request.Request(  # noqa: S310 - always loopback HTTP
            self.url + path,
            data=json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/json",
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                answer.read()
                return answer.status, answer.headers.get("x-litellm-call-id", "")
        except urllib.error.HTTPError as error:
            error.read()
            return error.code, error.headers.get("x-litellm-call-id", "")


@contextmanager
def litellm_proxy(
    folder: Path,
    *,
    accounts: dict[str, dict[str, str]],
    endpoint: str,
    provider: str = "http://127.0.0.1:9/v1",
    log_format: str = "ndjson",
    redacted: bool = False,
    spend_logs: bool = False,
    prompts_in_spend_logs: bool = False,
    more: str = "",
) -> Iterator[Proxy]:
    """A proxy that logs to `endpoint`, for as long as the block runs.

    Args:
        folder: Where its configuration and its own output go.
        accounts: For each API key, the fields of LiteLLM's `UserAPIKeyAuth`.
        endpoint: Where its `generic_api` callback posts.
        provider: Base URL of the model; not asked where a request carries `mock_response`.
        log_format: `ndjson`, `json_array` or `single`.
        redacted: Whether it keeps texts out of its log.
        spend_logs: Whether the rows for its database go to `spend_logs.ndjson` in `folder`.
        prompts_in_spend_logs: Whether those rows hold the bodies.
        more: Further sections of its configuration, such as `guardrails`.
    """
    python = make_environment("litellm")
    (folder / "auth_of_the_test.py").write_text(_AUTH + (_SPEND_LOG if spend_logs else ""))
    (folder / "accounts.json").write_text(json.dumps(accounts))
    (folder / "config.yaml").write_text(
        _CONFIG.format(
            endpoint=endpoint,
            provider=provider,
            log_format=log_format,
            redacted=str(redacted).lower(),
            stored=str(prompts_in_spend_logs).lower(),
            more=more,
        )
    )
    port = _free_port()
    command = [str(python.parent / "litellm"), "--config", "config.yaml", "--port", str(port)]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--num_workers", "1"],
            cwd=folder,
            env=_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, folder / "proxy.log")
        yield Proxy(url)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(24)}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        # LiteLLM 1.106.2 clears its queue after a flush, and with it whatever came in during
        # the flush. With a batch of one, each payload is sent before it can be cleared; some
        # are sent twice.
        "DEFAULT_BATCH_SIZE": "1",
        "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"LiteLLM ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/health/liveliness", timeout=2).close()  # noqa: S310
            return
        time.sleep(0.5)
    raise RuntimeError(f"LiteLLM did not start: {log.read_text(errors='replace')[-2000:]}")
