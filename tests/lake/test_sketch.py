"""The sketch kernel, against the same sketch in plain Python."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sketch_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lake.purpose import naming_model, purpose_model
from stillwatch.lake.sketch import SKETCHES, purposes_of_texts, sketch_exchanges
from stillwatch.lake.sketch_kernel import MAX_TOKENS

SENTENCES = (
    "Think step by step and show your reasoning before the final answer.",
    "Grade the two responses against the rubric; which answer is better?",
    "请逐步推理并解答这道题目,最后给出评分和理由。",
    "ステップごとに考えて、質問に回答してください。",
    "อธิบายเหตุผลทีละขั้นแล้วให้คะแนนคำตอบ",
    "اشرح التفكير خطوة بخطوة، ثم قيّم الإجابة؟",
    "Объясни решение и оцени ответ по критериям: СТРОГО.",
    "चरण-दर-चरण तर्क दीजिए। उत्तर का मूल्यांकन कीजिए।",
    "def solve(n):\n\treturn [i for i in range(n)] # Naïve ½ µs ªº",
    "ཀ་ខ ကခဂ ខ្ញុំ ＡＢＣ！ 𠀀𠀁 🙂🙂 e\u0301\u200bx",
)
texts = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.lists(st.sampled_from(SENTENCES), max_size=12).map(" ".join),
    st.lists(st.text(alphabet="abAB é我ไกا.\u3000\x00", max_size=6), min_size=30, max_size=260).map(
        " ".join
    ),
)
exchanges = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=6)


def batch_of(rows: list[tuple[Any, Any, Any]]) -> pa.RecordBatch:
    ids = pa.array([f"x{i}" for i in range(len(rows))])
    system, asked, answered = (pa.array([row[k] for row in rows], pa.string()) for k in range(3))
    return pa.RecordBatch.from_arrays(
        [ids, system, asked, answered],
        names=["exchange_id", "system_text", "input_text", "output_text"],
    )


def batch_of_bytes(rows: list[tuple[bytes, bytes, bytes]]) -> pa.RecordBatch:
    """Strings that are no UTF-8, as a foreign writer leaves them in a Parquet file."""
    columns = []
    for k in range(3):
        raw = pa.array([row[k] for row in rows], pa.binary())
        columns.append(pa.Array.from_buffers(pa.string(), len(rows), raw.buffers()))
    return pa.RecordBatch.from_arrays(
        [pa.array([f"x{i}" for i in range(len(rows))]), *columns],
        names=["exchange_id", "system_text", "input_text", "output_text"],
    )


def expected(system: Any, asked: Any, answered: Any) -> dict[str, Any]:
    raw = (t if isinstance(t, bytes) else (t or "").encode() for t in (system, asked, answered))
    row = sketch_oracle.sketch(*raw, purpose_model())
    return row | {"purpose": about(row["purpose"])}


def about(shares: Any) -> Any:
    """Equal to within one 255th: the kernel sums in single precision."""
    return pytest.approx(shares, abs=1.01)


def sketched(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows = sketch_exchanges(batch).to_pylist()
    for row in rows:
        del row["exchange_id"]
    return rows


@settings(max_examples=60, deadline=None)
@given(exchanges)
def test_the_kernel_agrees_with_plain_python_row_by_row(rows: list[Any]) -> None:
    """Whatever the script, words, shingles, terms, echoes and purposes are those of the oracle."""
    assert sketched(batch_of(rows)) == [expected(*row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.binary(max_size=40)] * 3), min_size=1, max_size=5))
def test_every_byte_string_has_a_sketch(rows: list[Any]) -> None:
    """Invalid UTF-8 is read byte by byte, and never past its own end."""
    assert sketched(batch_of_bytes(rows)) == [expected(*row) for row in rows]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_script_has_words_and_shingles(sentence: str) -> None:
    """Eight scripts, spaced and unspaced: none is invisible."""
    (row,) = sketched(batch_of([(None, " ".join(f"{sentence} {n}" for n in range(12)), None)]))

    assert row["input_words"] >= 60
    assert row["shingles"]
    assert row["terms"]


@settings(max_examples=40, deadline=None)
@given(exchanges, st.randoms(use_true_random=False))
def test_the_same_text_has_the_same_sketch_whatever_the_batch(
    rows: list[Any], rng: random.Random
) -> None:
    """A row's sketch depends on its own text, not on its neighbours or its place."""
    order = list(range(len(rows)))
    rng.shuffle(order)

    together = sketched(batch_of([rows[i] for i in order]))
    alone = [sketched(batch_of([row]))[0] for row in rows]

    assert together == [alone[i] for i in order]


@settings(max_examples=40, deadline=None)
@given(exchanges, st.data())
def test_a_slice_is_sketched_like_a_copy(rows: list[Any], data: st.DataObject) -> None:
    """Arrow buffers with an offset are read from where the slice begins."""
    begin = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) - begin))
    part = batch_of(rows).slice(begin, length)

    assert sketched(part) == [expected(*row) for row in rows[begin : begin + length]]


def test_large_strings_are_sketched_like_strings() -> None:
    """A file written with 64-bit offsets gives the same numbers."""
    batch = batch_of([(s, s, s) for s in SENTENCES])
    large = pa.RecordBatch.from_arrays(
        [c.cast(pa.large_string()) for c in batch.columns], names=batch.schema.names
    )
    assert sketched(
        pa.RecordBatch.from_arrays([batch.column(0), *large.columns[1:]], names=batch.schema.names)
    ) == sketched(batch)


def test_an_absent_column_counts_as_empty_texts() -> None:
    """A log without answers or system texts is sketched all the same."""
    batch = batch_of([(None, s, None) for s in SENTENCES])

    assert sketched(batch.select(["exchange_id", "input_text"])) == sketched(batch)


def test_what_lies_beyond_the_limit_adds_nothing() -> None:
    """A text of any length has a bounded sketch: its first words decide."""
    rng = random.Random(3)
    words = [f"w{rng.randrange(10**6)}" for _ in range(MAX_TOKENS)]
    cut, long = " ".join(words), " ".join([*words, *(f"z{i}" for i in range(5000))])
    whole, more = sketched(batch_of([(None, cut, cut), (None, long, long)]))

    assert whole["input_hash"] != more["input_hash"]
    del whole["input_hash"], more["input_hash"]
    assert whole == more == {k: v for k, v in expected(None, cut, cut).items() if k != "input_hash"}


def test_the_middle_of_a_document_tells_nothing_of_purpose() -> None:
    """A long document may mention anything; instructions stand at its ends."""
    filler = " ".join(["lantern"] * 200)
    asks = [f"{SENTENCES[1]} {filler}", f"{filler} {SENTENCES[1]} {filler}", f"{filler} {filler}"]
    ends, middle, none = sketched(batch_of([(None, text, None) for text in asks]))

    assert ends["purpose"] != middle["purpose"]
    assert middle["purpose"] == none["purpose"]


@settings(max_examples=30, deadline=None)
@given(exchanges)
def test_the_naming_model_agrees_with_plain_python(rows: list[Any]) -> None:
    """More rows and shorter runs, read as the sketch reads them."""
    model = naming_model()
    found = purposes_of_texts(batch_of(rows), model)

    for row, (system, asked, _) in zip(found.tolist(), rows, strict=True):
        raw = ((text or "").encode() for text in (system, asked, None))
        assert row == about(sketch_oracle.sketch(*raw, model)["purpose"])


@pytest.mark.parametrize("text", [None, "", "   ", "?!", "\n\t"])
def test_a_request_without_words_has_no_purpose(text: str | None) -> None:
    """Nothing is known, and nothing is made up."""
    (row,) = sketched(batch_of([(None, text, "whatever was answered")]))

    assert set(row["purpose"]) == {0}


def test_no_column_of_a_sketch_holds_text() -> None:
    """But for the exchange's id, a sketch is numbers: the words are not in it."""
    assert [f.name for f in SKETCHES if pa.types.is_string(f.type)] == ["exchange_id"]
    secret = "the vault opens at midnight with the word xylotomous"
    batch = sketch_exchanges(batch_of([(secret, secret, secret)]))

    raw = b"".join(
        bytes(buffer) for column in batch.columns for buffer in column.buffers() if buffer
    )
    assert not any(word.encode() in raw for word in secret.split() if len(word) > 3)


def test_half_of_the_wording_is_half_of_the_sketch() -> None:
    """Sampled shingles estimate the overlap of two texts, so that templates can be compared."""
    rng = np.random.default_rng(1)
    shared, first, second = (
        " ".join(f"w{k}" for k in rng.integers(0, 10**9, size=30)) for _ in range(3)
    )
    overlaps = []
    for number in range(60):
        texts = [
            " ".join(f"{w}{number}" for w in f"{shared} {own}".split()) for own in (first, second)
        ]
        one, other = (
            set(r["shingles"]) for r in sketched(batch_of([(None, t, None) for t in texts]))
        )
        overlaps.append(len(one & other) / max(len(one | other), 1))

    # 26 of 26 + 30 + 30 shingles are common: those within the shared half.
    assert np.mean(overlaps) == pytest.approx(26 / 86, abs=0.05)
