"""Request columns and account attributes: equal values are equal numbers, cut at any moment."""

from __future__ import annotations

import pyarrow as pa

from stillwatch.records import EXCHANGES
from stillwatch.signals.request_columns import STATUSES, Requests, request_part


def batch(*rows: dict[str, object]) -> pa.RecordBatch:
    filled = [{**dict.fromkeys(EXCHANGES.names), **row} for row in rows]
    return pa.RecordBatch.from_pylist(filled, schema=EXCHANGES.arrow)


def columns(*rows: dict[str, object]) -> Requests:
    part = request_part(batch(*rows))
    return Requests(**{n: v.to_numpy(zero_copy_only=False) for n, v in part.items()})


def test_equal_settings_have_one_fingerprint_and_others_another() -> None:
    base: dict[str, object] = {"temperature": 0.7, "max_output_tokens": 512}
    found = columns(
        base,
        dict(base),
        {**base, "temperature": 0.70001},
        {**base, "settings": {"top_p": 0.0}},
        {**base, "tool_names": ["search"]},
        {**base, "settings": {"seed": 4}},
        {**base, "settings": {"seed": 9}},
    ).settings

    assert found[0] == found[1]
    assert len(set(found[[0, 2, 3, 4, 5]].tolist())) == 5
    assert found[5] == found[6], "a seed is drawn anew for each request: only its presence counts"


def test_what_the_log_does_not_say_is_zero_or_minus_one() -> None:
    found = columns({})

    assert found.status[0] == -1
    assert not found.prefill[0]
    for name in ("model", "credential", "network", "client", "settings", "end_user"):
        assert getattr(found, name)[0] == 0


def test_status_is_a_position_in_the_contract_s_words() -> None:
    found = columns(*({"status": s} for s in (*STATUSES, "odd")))

    assert found.status.tolist() == [*range(len(STATUSES)), -1]
