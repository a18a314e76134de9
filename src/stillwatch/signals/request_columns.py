"""How each exchange was sent and how it ended, as numbers in the order of the traffic.

Strings become 63-bit hashes: equal values are equal numbers, and nothing readable is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.sketch_kernel import hash_strings as hash_buffers

__all__ = ["REQUEST_COLUMNS", "STATUSES", "Requests", "hash_strings", "request_part"]

IntArray = npt.NDArray[np.int64]

STATUSES: tuple[str, ...] = ("ok", "refused", "rate_limited", "blocked", "error")
"""`Requests.status` holds positions in it; -1 where the log says nothing."""

_HASHED = ("model", "credential_id", "client_net_token", "end_user_token")
REQUEST_COLUMNS: tuple[str, ...] = (
    *_HASHED,
    "status",
    "user_agent",
    "tls_fingerprint",
    "temperature",
    "max_output_tokens",
    "settings",
    "tool_names",
    "prefill",
)
"""The columns of the exchange log that are read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """One entry a column and exchange; hashes are 0 where the log says nothing.

    Attributes:
        status: Position in `STATUSES`, or -1.
        model, credential, network, end_user: Hashes.
        user_agent, tls: Hashes of the user agent and of the TLS fingerprint.
        client: Hash of the two together.
        settings: Hash of all that was requested beside the text: temperature, limit on the answer,
            top_p, n, log-probabilities, reasoning effort, whether a seed is set, tools offered.
        prefill: The client began the answer.
    """

    status: npt.NDArray[np.int8]
    model: IntArray
    credential: IntArray
    network: IntArray
    end_user: IntArray
    user_agent: IntArray
    tls: IntArray
    client: IntArray
    settings: IntArray
    prefill: npt.NDArray[np.bool_]

    def prefix(self, rows: int) -> Requests:
        """The first `rows` exchanges, as a view."""
        return Requests(**{f.name: getattr(self, f.name)[:rows] for f in fields(self)})


def request_part(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The columns of one batch, by the names of `Requests`."""
    model, credential, network, end_user = (
        pa.array(_hashes(batch.column(name))) for name in _HASHED
    )
    status = pc.index_in(batch.column("status"), value_set=pa.array(STATUSES))
    agent, tls = _hashes(batch.column("user_agent")), _hashes(batch.column("tls_fingerprint"))
    return {
        "status": pc.fill_null(status, -1).cast(pa.int8()),
        "model": model,
        "credential": credential,
        "network": network,
        "end_user": end_user,
        "user_agent": pa.array(agent),
        "tls": pa.array(tls),
        "client": pa.array(_mix(agent, tls)),
        "settings": pa.array(_settings(batch)),
        "prefill": pc.fill_null(batch.column("prefill"), False),
    }


def hash_strings(values: pa.Array) -> pa.Array:
    """A stable 63-bit hash of each string; null stays null."""
    return pa.array(_hashes(values), mask=values.is_null().to_numpy(zero_copy_only=False))


def _hashes(values: pa.Array) -> IntArray:
    """Hash each distinct string once; 0 for null."""
    encoded = values.dictionary_encode()
    large = encoded.dictionary.cast(pa.large_string())
    _, offsets, data = large.buffers()
    starts = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    known = np.append(hash_buffers(raw, starts), 0)
    codes = pc.fill_null(encoded.indices, len(large)).to_numpy(zero_copy_only=False)
    return np.asarray(known[codes], np.int64)


def _settings(batch: pa.RecordBatch) -> IntArray:
    """All request settings as one fingerprint; 0 where none of them is set."""
    struct = batch.column("settings")
    tools = batch.column("tool_names")
    fingerprint = np.zeros(batch.num_rows, np.int64)
    for name in ("n", "top_p", "logprobs"):
        fingerprint = _mix(fingerprint, _bits(pc.struct_field(struct, name)))
    fingerprint = _mix(fingerprint, _hashes(pc.struct_field(struct, "reasoning_effort")))
    seeded = pc.is_valid(pc.struct_field(struct, "seed")).cast(pa.int64())
    fingerprint = _mix(fingerprint, seeded.to_numpy(zero_copy_only=False))
    for name in ("temperature", "max_output_tokens"):
        fingerprint = _mix(fingerprint, _bits(batch.column(name)))
    return _mix(fingerprint, _hashes(pc.binary_join(tools, "\x1f")))


def _bits(values: pa.Array) -> IntArray:
    """A number's bits, null as 0 and everything else as something else."""
    numbers = pc.fill_null(values.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    return np.where(known, numbers.view(np.int64) ^ np.int64(0x5BD1E995), 0)


def _mix(one: IntArray, other: IntArray) -> IntArray:
    """A hash of two, 0 if both are 0."""
    with np.errstate(over="ignore"):
        value = one.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + other.view(np.uint64)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        value = (value ^ (value >> np.uint64(33))) >> np.uint64(1)
    return np.where((one == 0) & (other == 0), 0, value.view(np.int64))
