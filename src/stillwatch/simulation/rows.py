"""From traffic to rows: ids, tokens, digests, answers and statuses of each exchange."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.records import EXCHANGES, ExchangeStatus
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import Ints, token
from stillwatch.simulation.traffic import Traffic

__all__ = ["TRUTH_COLUMNS", "digest_of", "draw_ids", "exchange_rows"]

TRUTH_COLUMNS = ("distill", "campaign", "target", "item")
_ERRORS = 0.006
_TOKENS_A_SECOND = 70.0
_REFUSALS = (
    "I'm not able to help with that request.",
    "I can't share that. I can explain the topic in general terms instead.",
    "That falls outside what I can do here. Is there another way I can help?",
)


def digest_of(data: bytes) -> str:
    """The digest of a message, the same wherever the message is sent again."""
    return "msg_" + hashlib.blake2b(data, digest_size=8, key=b"stillwatch world").hexdigest()


def draw_ids(rng: np.random.Generator, prefix: str, count: int) -> list[str]:
    """Unique ids, 64 random bits each."""
    text = rng.bytes(8 * count).hex()
    return [f"{prefix}_{text[i : i + 16]}" for i in range(0, 16 * count, 16)]


@dataclass(slots=True)
class _Columns:
    """Every column of the log and of the truth, as lists that grow."""

    values: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in (*EXCHANGES.names, *TRUTH_COLUMNS)}
    )
    started: list[Ints] = field(default_factory=list)
    finished: list[Ints] = field(default_factory=list)

    def add(self, count: int, **columns: Any) -> None:
        """Append `count` values to every column; a scalar stands for all rows."""
        for name, column in self.values.items():
            value = columns.get(name)
            column.extend(value if isinstance(value, list) else [value] * count)

    def table(self) -> pa.Table:
        stamps = {
            "started_at": np.concatenate(self.started),
            "finished_at": np.concatenate(self.finished),
        }
        arrays = []
        schema = _row_schema()
        for item in schema:
            if item.name in stamps:
                arrays.append(pa.array(stamps[item.name], pa.int64()).cast(item.type))
            else:
                arrays.append(pa.array(self.values[item.name], item.type))
        return pa.table(arrays, schema=schema)


def _row_schema() -> pa.Schema:
    truth = [
        pa.field("distill", pa.bool_()),
        *(pa.field(name, pa.string()) for name in TRUTH_COLUMNS[1:]),
    ]
    return pa.schema([*EXCHANGES.arrow, *truth])


def exchange_rows(cohort: Cohort) -> pa.Table:
    """The cohort's exchanges with their truth beside them, in order of sending within a sender."""
    columns = _Columns()
    for traffic in cohort.traffic:
        _add(columns, cohort, traffic)
    return columns.table() if columns.started else _row_schema().empty_table()


def _add(columns: _Columns, cohort: Cohort, traffic: Traffic) -> None:
    rng, count = cohort.rng, len(traffic.inputs)
    statuses = traffic.statuses or _draw_statuses(rng, traffic)
    outputs = traffic.outputs or _answers(cohort, traffic, statuses)
    input_bytes = [text.encode() for text in traffic.inputs]
    output_bytes = [None if text is None else text.encode() for text in outputs]
    output_digests = [None if data is None else digest_of(data) for data in output_bytes]
    issued = traffic.issued or _signatures(rng, traffic, statuses)
    history, prefixes, presented = _history(
        traffic, input_bytes, output_bytes, output_digests, issued
    )
    answered = np.fromiter((len(d or b"") // 4 + (d is not None) for d in output_bytes), int, count)
    reasoned = np.zeros(count, int)
    if any(issued):
        reasoned = (answered * rng.lognormal(0.6, 0.7, count)).astype(int)
    seconds = rng.lognormal(-0.6, 0.5, count) + (answered + reasoned) / _TOKENS_A_SECOND
    columns.started.append(traffic.started)
    columns.finished.append(traffic.started + (seconds * 1e6).astype(np.int64))
    no_text = "no_text" in (traffic.manner.retention, cohort.retention)
    columns.add(
        count,
        **_sender_columns(cohort, traffic),
        exchange_id=draw_ids(rng, "ex", count),
        system_text=None if no_text else traffic.systems,
        input_text=None if no_text else traffic.inputs,
        output_text=None if no_text else outputs,
        retention="no_text" if no_text else "full",
        input_tokens=_input_tokens(cohort, traffic, input_bytes, history),
        output_tokens=answered.tolist(),
        reasoning_tokens=reasoned.tolist() if any(issued) else None,
        reasoning_signature_issued=issued,
        reasoning_signatures_presented=presented,
        status=statuses,
        stop_reason=_stop_reasons(rng, traffic, statuses),
        prefix_digests=prefixes,
        output_digest=output_digests,
        **_truth_columns(traffic),
    )


def _sender_columns(cohort: Cohort, traffic: Traffic) -> dict[str, Any]:
    """What follows from who sends, from where, and in which manner."""
    manner, client, origins = traffic.manner, traffic.manner.client, traffic.origins
    count = len(traffic.inputs)
    return {
        "account_id": traffic.account_id,
        "credential_id": traffic.credential_id,
        "conversation_id": _conversation_ids(cohort, traffic),
        "turn_index": None if traffic.turn is None else traffic.turn.tolist(),
        "access_path": client.access_path,
        "model": traffic.models,
        "tool_names": [list(manner.tools)] * count if manner.tools else None,
        "max_output_tokens": manner.max_output_tokens,
        "temperature": manner.temperature,
        "client_ip": [o.ip for o in origins],
        "client_net_token": [o.net_token for o in origins],
        "client_asn": [o.asn for o in origins],
        "client_country": [o.country for o in origins],
        "client_network": [o.network for o in origins],
        "user_agent": client.user_agent,
        "tls_fingerprint": client.tls_fingerprint,
        "client_metadata": client.metadata,
        "end_user_token": traffic.end_users,
        "endpoint": client.endpoint,
        "batch_id": traffic.batches,
        "settings": [manner.settings] * count,
        "prefill": True if manner.prefill else None,
        "cache_key": _cache_keys(traffic),
    }


def _truth_columns(traffic: Traffic) -> dict[str, Any]:
    labels = traffic.labels
    if labels is None:
        return {"distill": False}
    return {
        "distill": True,
        "campaign": labels.campaign,
        "target": labels.targets,
        "item": labels.items,
    }


def _input_tokens(cohort: Cohort, traffic: Traffic, inputs: list[bytes], history: Any) -> list[int]:
    """As billed: the new content, the system text, what is sent again, and files if any."""
    count = len(inputs)
    own = np.fromiter((len(data) // 4 + 4 for data in inputs), float, count)
    system = np.fromiter((len(text or "") // 4 for text in traffic.systems), float, count)
    context = np.zeros(count)
    if traffic.manner.carries_context:
        context = context + cohort.rhythms.coding_tokens(cohort.rng, count)
    total: list[int] = (own + system + context + history).astype(int).tolist()
    return total


def _draw_statuses(rng: np.random.Generator, traffic: Traffic) -> list[str]:
    manner = traffic.manner
    luck = rng.random(len(traffic.inputs))
    # The third of all refusals that stop before the model answers are blocks.
    edges = np.cumsum([manner.refusals * 0.7, manner.refusals * 0.3, manner.limits, _ERRORS])
    names = (
        ExchangeStatus.REFUSED,
        ExchangeStatus.BLOCKED,
        ExchangeStatus.RATE_LIMITED,
        ExchangeStatus.ERROR,
        ExchangeStatus.OK,
    )
    return [names[i].value for i in np.searchsorted(edges, luck, side="right").tolist()]


def _answers(cohort: Cohort, traffic: Traffic, statuses: list[str]) -> list[str | None]:
    manner = traffic.manner
    answers = cohort.library.answers(
        traffic.inputs, cohort.rng, style=manner.style, target=manner.target
    )
    outputs: list[str | None] = list(answers)
    for i, status in enumerate(statuses):
        if status == "refused":
            outputs[i] = _REFUSALS[int(cohort.rng.integers(len(_REFUSALS)))]
        elif status != "ok":
            outputs[i] = None
    return outputs


def _signatures(
    rng: np.random.Generator, traffic: Traffic, statuses: list[str]
) -> list[str | None]:
    if not (traffic.manner.reasons or "aster-3-reason" in traffic.models):
        return [None] * len(statuses)
    drawn = draw_ids(rng, "sig", len(statuses))
    return [name if status == "ok" else None for name, status in zip(drawn, statuses, strict=True)]


def _history(
    traffic: Traffic,
    inputs: list[bytes],
    outputs: list[bytes | None],
    digests: list[str | None],
    issued: list[str | None],
) -> tuple[Any, list[list[str] | None] | None, list[list[str] | None] | None]:
    """Tokens of the earlier messages, their digests, and the signatures sent in again."""
    count = len(inputs)
    tokens = np.zeros(count)
    prefixes, presented = traffic.prefixes, traffic.presented
    if traffic.conversation is None or traffic.turn is None or not traffic.turn.any():
        return tokens, prefixes, presented
    resends = traffic.manner.client.resends_history and prefixes is None
    own_prefixes: list[list[str] | None] = []
    own_presented: list[list[str] | None] = []
    messages: list[str] = []
    signatures: list[str] = []
    carried, current = 0, -1
    for i, number in enumerate(traffic.conversation.tolist()):
        if number != current:
            messages, signatures, carried, current = [], [], 0, number
        own_prefixes.append(list(messages) if messages else None)
        own_presented.append(list(signatures) if signatures else None)
        tokens[i] = carried
        messages.append(digest_of(inputs[i]))
        carried += (len(inputs[i]) + len(outputs[i] or b"")) // 4
        if digests[i] is not None:
            messages.append(str(digests[i]))
        if issued[i] is not None:
            signatures = [str(issued[i])]
    return (
        tokens,
        own_prefixes if resends else prefixes,
        own_presented if presented is None else presented,
    )


def _conversation_ids(cohort: Cohort, traffic: Traffic) -> list[str] | None:
    if traffic.conversation is None or not traffic.manner.client.names_conversations:
        return None
    cache: dict[int, str] = {}
    return [
        cache.get(number)
        or cache.setdefault(number, token("conv", cohort.frame.seed, cohort.key, number))
        for number in traffic.conversation.tolist()
    ]


def _stop_reasons(
    rng: np.random.Generator, traffic: Traffic, statuses: list[str]
) -> list[str | None]:
    usual = "tool_use" if traffic.manner.tools else "end_turn"
    luck = rng.random(len(statuses)).tolist()
    reasons: list[str | None] = []
    for status, chance in zip(statuses, luck, strict=True):
        if status == "ok":
            reasons.append("max_tokens" if chance < 0.02 else usual if chance < 0.6 else "end_turn")
        else:
            reasons.append("refusal" if status == "refused" else None)
    return reasons


def _cache_keys(traffic: Traffic) -> list[str | None] | None:
    if not (traffic.manner.shares_prefix and traffic.manner.client.caches):
        return None
    keys = {text: token("cache", traffic.account_id, text) for text in set(traffic.systems) if text}
    return [keys.get(text or "") for text in traffic.systems]
