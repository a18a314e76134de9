"""Signal `distribution` against MMD with a matched null, on the same disjoint windows of 300 prompts.

    benchmarks/window_test.py [--prompts DIR] [--world DIR ...] [--windows N] [--out FILE]

`--prompts` is a folder of public prompts (chat.parquet, instruct.parquet, templated.parquet,
tools.parquet, answers.parquet); each `--world` a simulated one with its truth. Windows of usual
prompts are disjoint; a mixed window is one of them with a part of its prompts replaced. Every method
is held to the same realised rate: its threshold is the highest of the usual windows of the source,
so none of them is flagged. The tables go to standard output and, with `--out`, between that
page's markers.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix, vstack

from stillwatch.lake.log import open_log
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.signals.distribution import (
    DistributionParameters,
    Usual,
    excess_log_e,
    factor,
    learn_witness,
    marks_log_e,
    marks_of,
)
from stillwatch.signals.traffic import Ragged, read_traffic

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]

WINDOW = 300
PARTS = (0.01, 0.02, 0.05)
EARLIER = (
    4  # windows of the same stream, with the same part mixed in, before the one that is tested
)
TRAINING, COMPARED = 1_500, 2_500  # usual prompts kept for both
DIMENSIONS = 128
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"

COT = "Solve the following problem. Think step by step and show all of your reasoning.\n\n{}"
JUDGE = (
    "Act as an impartial judge and evaluate the answer that an assistant gave to the question below. "
    "Explain your judgement, then rate it from 1 to 10.\n\nQuestion: {}\n\nAnswer: {}"
)


@dataclass(frozen=True)
class Prompts:
    """Prompts of one kind as all methods see them: marks, lengths, and unit vectors made when asked."""

    marks: csr_matrix
    words: IntArray
    vectors: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return self.marks.shape[0]

    def take(self, rows: IntArray) -> Prompts:
        return Prompts(self.marks[rows], self.words[rows], self.vectors[rows])


def joined(parts: Sequence[Prompts]) -> Prompts:
    return Prompts(
        vstack([p.marks for p in parts]).tocsr(),
        np.concatenate([p.words for p in parts]),
        np.concatenate([p.vectors for p in parts]),
    )


def embed(marks: csr_matrix, rarity: FloatArray) -> FloatArray:
    """Words by rarity, projected on random directions, at unit length: an embedding that needs no model."""
    buckets = DistributionParameters().buckets
    directions = np.random.default_rng(7).normal(size=(buckets, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    vectors = marks[:, :buckets].multiply(rarity[None, :]).tocsr() @ directions
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors, np.float32)


def rarity_of(usual: csr_matrix) -> FloatArray:
    buckets = DistributionParameters().buckets
    counts = np.asarray(usual[:, :buckets].sum(axis=0)).ravel()
    return np.asarray(np.log((usual.shape[0] + 1.0) / (counts + 1.0)))


class Mmd:
    """Unbiased squared MMD to the usual prompts, mean of four Gaussian kernels (arXiv 2606.05725)."""

    def __init__(self, usual: FloatArray) -> None:
        self.usual = usual
        distances = _squared_distances(usual[:1_500], usual[:1_500])
        self.width = float(np.median(distances[distances > 1e-9]))
        among = self._kernel(usual, usual)
        size = len(usual)
        self.among = float(among.sum() - np.trace(among)) / (size * (size - 1))

    def _kernel(self, a: FloatArray, b: FloatArray) -> FloatArray:
        base = np.exp(-_squared_distances(a, b) / (8.0 * self.width))  # the widest of the four
        total = base.copy()
        for _ in range(3):  # half the width each time: to the fourth power
            base = np.square(np.square(base))
            total += base
        return np.asarray(total / 4.0)

    def __call__(self, window: FloatArray) -> float:
        inside, size = self._kernel(window, window), len(window)
        within = float(inside.sum() - np.trace(inside)) / (size * (size - 1))
        return within + self.among - 2.0 * float(self._kernel(window, self.usual).mean())


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2.0 * a @ b.T, 0.0))


def length_log_e(window: IntArray, usual: IntArray) -> float:
    """The same test on nothing but the number of words, in powers of two."""
    counts, others = (
        np.bincount(np.log2(np.maximum(w, 1)).astype(np.int64), minlength=20)
        for w in (window, usual)
    )
    seen = np.flatnonzero(counts)
    earned = excess_log_e(
        counts[seen],
        (counts + others)[seen],
        len(window),
        len(window) + len(usual),
        DistributionParameters().excess,
    )
    return float(np.logaddexp.reduce(earned) - np.log(20.0))


METHODS = ("window alone", "after four", "MMD", "MMD of all five", "length alone")


@dataclass
class Source:
    """Usual prompts of one source: kept for training and comparison, the rest in disjoint windows."""

    name: str
    usual: Prompts
    windows: int
    milliseconds: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.training = self.usual.marks[:TRAINING]
        self.compared = Usual.of(self.usual.marks[TRAINING : TRAINING + COMPARED])
        self.lengths = self.usual.words[: TRAINING + COMPARED]
        self.mmd = Mmd(self.usual.vectors[: TRAINING + COMPARED])
        first = TRAINING + COMPARED
        self.windows = min(self.windows, (len(self.usual) - first) // WINDOW)
        self.rows = [
            np.arange(first + WINDOW * w, first + WINDOW * (w + 1)) for w in range(self.windows)
        ]

    def scores(self, stream: Sequence[Prompts]) -> dict[str, float]:
        """What each method says of the last window, the others being earlier ones of its stream."""
        window, earlier = stream[-1], stream[:-1]
        witness = learn_witness(vstack([p.marks for p in earlier]), self.training)
        return {
            "window alone": self._timed(
                "window alone", lambda: marks_log_e(window.marks, self.compared)
            ),
            "after four": self._timed(
                "after four", lambda: factor(window.marks, self.compared, witness)
            ),
            "MMD": self._timed("MMD", lambda: self.mmd(window.vectors)),
            "MMD of all five": self.mmd(np.concatenate([p.vectors for p in stream])),
            "length alone": length_log_e(window.words, self.lengths),
        }

    def _timed(self, name: str, run: Callable[[], float]) -> float:
        start = time.process_time()
        value = run()
        self.milliseconds.setdefault(name, []).append(1e3 * (time.process_time() - start))
        return value

    def stream(
        self, number: int, mixed: Prompts | None, part: float, rng: np.random.Generator
    ) -> list[Prompts]:
        """Window `number` and the four before it (in a circle), each with its own mixed-in prompts."""
        size = round(WINDOW * part) if mixed is not None else 0
        chosen = (
            rng.choice(len(mixed), size * (EARLIER + 1), replace=len(mixed) < 5 * size)
            if mixed is not None
            else np.zeros(0, np.int64)
        )
        stream = []
        for back in range(EARLIER, -1, -1):
            own = self.usual.take(self.rows[(number - back) % self.windows][size:])
            if mixed is None:
                stream.append(own)
            else:
                foreign = mixed.take(chosen[back * size : (back + 1) * size])
                stream.append(joined([own, foreign]))
        return stream


@dataclass(frozen=True)
class Row:
    """Missed windows of one mix, by method."""

    source: str
    mixed: str
    part: float
    windows: int
    missed: dict[str, int]


def compare(
    source: Source, others: Mapping[str, Prompts], parts: Sequence[float] = PARTS
) -> Iterator[Row]:
    """Thresholds from the usual windows, then each mix."""
    rng = np.random.default_rng(11)
    usual = [source.scores(source.stream(w, None, 0.0, rng)) for w in range(source.windows)]
    highest = {m: max(score[m] for score in usual) for m in METHODS}
    certain = sum(score["after four"] >= np.log(20) for score in usual)
    print(f"{source.name}: {source.windows} windows, {certain} with an e-value of 20", flush=True)
    for name, mixed in others.items():
        for part in parts:
            scored = [
                source.scores(source.stream(w, mixed, part, rng)) for w in range(source.windows)
            ]
            missed = {m: int(sum(s[m] <= highest[m] for s in scored)) for m in METHODS}
            missed["e-value of 20"] = int(sum(s["after four"] < np.log(20) for s in scored))
            print(name, part, missed, flush=True)
            yield Row(source.name, name, part, source.windows, missed)


def sketched(texts: Sequence[str]) -> tuple[csr_matrix, IntArray]:
    """Marks and lengths of texts, through the same sketch as the scan's."""
    batch = pa.record_batch(
        {
            "exchange_id": pa.array([str(i) for i in range(len(texts))]),
            "input_text": pa.array(list(texts)),
        }
    )
    sketch = sketch_exchanges(batch)
    terms, shingles = (
        Ragged(
            column.flatten().to_numpy(zero_copy_only=False),
            np.concatenate([[0], np.cumsum(pc.list_value_length(column).to_numpy())]),
        )
        for column in (sketch.column("terms"), sketch.column("shingles"))
    )
    words = sketch.column("input_words").to_numpy().astype(np.int64)
    return marks_of(terms, shingles, np.arange(len(texts))), words


def real_prompts(folder: Path) -> dict[str, list[str]]:
    """Distinct prompts by kind, in random order; judge and reasoning prompts are templates filled."""
    rng = np.random.default_rng(3)

    def shuffled(texts: Sequence[str]) -> list[str]:
        kept = list(dict.fromkeys(t for t in texts if t and t.strip()))
        return [kept[i] for i in rng.permutation(len(kept))]

    def column(name: str, of: str) -> list[str]:
        return [str(v) for v in pq.read_table(folder / f"{name}.parquet").column(of).to_pylist()]

    instruct = pq.read_table(folder / "instruct.parquet").to_pylist()
    answers = pq.read_table(folder / "answers.parquet").to_pylist()
    kinds = {
        kind: shuffled([r["prompt"] for r in instruct if r["kind"] == kind])
        for kind in ("math", "code", "general")
    }
    return {
        "chat": shuffled(column("chat", "user")),
        "templated": shuffled(column("templated", "prompt")),
        "math": kinds["math"],
        "code": kinds["code"],
        "role play": kinds["general"],
        "tools": shuffled(column("tools", "prompt")),
        "reasoning template": [COT.format(t) for t in kinds["math"][:1_500]],
        "judge template": shuffled(
            [JUDGE.format(r["instruction"], r["output"][:1_000]) for r in answers]
        )[:1_500],
    }


def with_vectors(
    kinds: Mapping[str, tuple[csr_matrix, IntArray]], usual: str
) -> dict[str, Prompts]:
    """All kinds, embedded by the rarity of words among the usual prompts."""
    rarity = rarity_of(kinds[usual][0][: TRAINING + COMPARED])
    return {
        name: Prompts(marks, words, embed(marks, rarity)) for name, (marks, words) in kinds.items()
    }


REAL_PAIRS: dict[str, tuple[str, ...]] = {
    "chat": ("reasoning template", "judge template", "math", "code", "role play", "tools"),
    "templated": ("reasoning template", "judge template", "math", "code", "role play", "tools"),
    "math": ("judge template", "code", "role play", "tools"),
}


def real_rows(folder: Path, windows: int, sources: list[Source]) -> Iterator[Row]:
    kinds = {name: sketched(texts) for name, texts in real_prompts(folder).items()}
    for usual, others in REAL_PAIRS.items():
        prompts = with_vectors(kinds, usual)
        source = Source(usual, prompts[usual], windows)
        sources.append(source)
        yield from compare(source, {name: prompts[name] for name in others})


def world_rows(world: Path, windows: int, sources: list[Source]) -> Iterator[Row]:
    """Honest prompts of a world in random order, and the own prompts of each campaign's accounts."""
    log = open_log(exchanges=world / "exchanges", accounts=world / "accounts.parquet")
    traffic = read_traffic(log)
    truth = pq.read_table(world / "truth_exchanges.parquet")
    ids = pa.array(traffic.exchange_ids)
    position = pc.index_in(ids, truth.column("exchange_id").combine_chunks()).to_numpy()
    distill = truth.column("distill").to_numpy()[position]
    campaign = np.array(truth.column("campaign").to_pylist(), dtype=object)[position]
    rng = np.random.default_rng(5)
    text = traffic.input_words > 0
    honest = rng.permutation(np.flatnonzero(~distill & text))
    honest = honest[: TRAINING + COMPARED + WINDOW * windows]
    rows = {"honest": honest}
    for name in sorted({c for c in campaign[distill] if c is not None}):
        own = rng.permutation(np.flatnonzero(distill & text & (campaign == name)))[:1_500]
        if len(own) >= 100:
            rows[str(name)] = own
    kinds = {
        name: (
            marks_of(traffic.terms, traffic.shingles, own),
            traffic.input_words[own].astype(np.int64),
        )
        for name, own in rows.items()
    }
    prompts = with_vectors(kinds, "honest")
    source = Source(f"world {world.name}", prompts.pop("honest"), windows)
    sources.append(source)
    yield from compare(source, prompts)


def table(rows: Sequence[Row], heading: str) -> str:
    """One line a mix at 5 %, and the sums at every part."""
    columns = (*METHODS, "e-value of 20")
    lines = [
        f"### {heading}",
        "",
        "| usual | mixed in | part | windows | " + " | ".join(columns) + " |",
        "|---|---|---:|---:|" + "---:|" * len(columns),
    ]
    for row in rows:
        if row.part == max(PARTS):
            missed = " | ".join(f"{row.missed[m]}" for m in columns)
            lines.append(
                f"| {row.source} | {row.mixed} | {row.part:.0%} | {row.windows} | {missed} |"
            )
    for part in PARTS:
        chosen = [r for r in rows if r.part == part]
        total = sum(r.windows for r in chosen)
        missed = " | ".join(f"{sum(r.missed[m] for r in chosen) / total:.1%}" for m in columns)
        lines.append(f"| **all** | **all** | **{part:.0%}** | {total} | {missed} |")
    return "\n".join(lines)


def report(real: Sequence[Row], worlds: Sequence[Row], sources: Sequence[Source]) -> str:
    """Both tables, with machine, date, times and the bound of the false-positive rate."""
    real_windows = sum(s.windows for s in sources if not s.name.startswith("world"))
    world_windows = sum(s.windows for s in sources if s.name.startswith("world"))
    times = {
        name: np.median(np.concatenate([s.milliseconds[name] for s in sources]))
        for name in ("window alone", "after four", "MMD")
    }
    parts = [
        f"Measured on {datetime.date.today():%d %B %Y}, {os.cpu_count()} cores, {platform.machine()}; "
        "one thread; median processor time a window of 300 prompts: "
        + ", ".join(f"{name} {value:.0f} ms" for name, value in times.items())
        + "."
    ]
    for rows, windows, heading in (
        (real, real_windows, "Real prompts: windows missed"),
        (worlds, world_windows, "Simulated worlds: windows missed"),
    ):
        if rows:
            parts.append(table(rows, heading))
            bound = 1.0 - 0.05 ** (1.0 / windows)
            parts.append(
                f"Usual windows flagged: 0 of {windows} by every method but the last column's, by the "
                f"choice of thresholds (Clopper–Pearson at 95 %: at most {bound:.1%})."
            )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--world", type=Path, action="append", default=[])
    parser.add_argument("--windows", type=int, default=40, help="usual windows a source, at most")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sources: list[Source] = []
    real = (
        list(real_rows(arguments.prompts, arguments.windows, sources)) if arguments.prompts else []
    )
    worlds = [
        row for world in arguments.world for row in world_rows(world, arguments.windows, sources)
    ]
    text = report(real, worlds, sources)
    print(text)
    if arguments.out:
        page = arguments.out.read_text(encoding="utf-8")
        before, after = page.split(_BEGIN, 1)[0], page.split(_END, 1)[1]
        arguments.out.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
