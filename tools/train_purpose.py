"""Train and calibrate a classifier of `stillwatch.lake.purpose`: the one that decides or names.

tools/train_purpose.py decide|name [--out FILE]   writes the weights and prints the figures by
source held out.

A multinomial logistic regression on hashed features: half of the weight on own work, the other
half spread evenly over the targets; within each, evenly over the sources. Each fold holds whole
sources out; one temperature, and the rate at which own work is taken for a target by accident,
come from their examples. Takes about two minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numba as nb
import numpy as np
import numpy.typing as npt
from purpose_examples import Example, examples_of_phrases, examples_of_simulator

from stillwatch.lake.purpose import OWN_WORK, PURPOSES
from stillwatch.lake.purpose_kernel import INSTRUCTION_TOKENS, features_of
from stillwatch.lake.sketch_kernel import MAX_TOKENS, tokenise

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

SEED = 20_26
EACH = 400  # requests of a source and target
EPOCHS = 4
STEP = 0.2
DROPPED = (
    0.5  # at most this part of the features is left out, so that no sentence is learnt by heart
)
LEAST_SEEN = 3  # requests that a feature is in; rarer ones are noise
# Without a word that is known, a request is as likely own work as not.
PRIOR = np.array(
    [0.5 if p == OWN_WORK else 0.5 / (len(PURPOSES) - 1) for p in PURPOSES], np.float32
)
FOLDER = Path(__file__).parents[1] / "src/stillwatch/lake"


@dataclass(frozen=True, slots=True)
class Kind:
    """What sets a classifier apart; see `PurposeModel` for `bits` and `longest_run`.

    Attributes:
        shrink: How strongly weights are drawn to zero.
        file: Its weights, beside the code that reads them.
    """

    bits: int
    longest_run: int
    shrink: float
    file: str


KINDS = {
    "decide": Kind(bits=16, longest_run=3, shrink=3e-4, file="purpose_weights.npz"),
    "name": Kind(bits=18, longest_run=2, shrink=1e-3, file="naming_weights.npz"),
}


class Data:
    """Requests as features: `features[starts[i]:starts[i + 1]]` are those of request i."""

    def __init__(self, examples: list[Example], kind: Kind) -> None:
        self.kind = kind
        tokens, stems = np.empty(MAX_TOKENS, np.uint64), np.empty(MAX_TOKENS, np.uint64)
        found = np.empty(8 * INSTRUCTION_TOKENS, np.int64)
        parts, lengths = [], []
        for example in examples:
            length = 0
            for text in (example.system, example.prompt):
                raw = np.frombuffer(text.encode(), np.uint8)
                count = tokenise(raw, 0, len(raw), tokens, stems)
                number = features_of(tokens, stems, count, kind.bits, kind.longest_run, found)
                parts.append(found[:number].astype(np.int32))
                length += number
            lengths.append(length)
        self.features = np.concatenate(parts)
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        self.labels = np.array([PURPOSES.index(e.purpose) for e in examples])
        self.sources = np.array([e.source for e in examples])
        self.languages = np.array([e.language for e in examples])

    def weights(self, among: npt.NDArray[np.bool_]) -> FloatArray:
        """What each request counts: half for own work, half for the targets alike; mean 1."""
        keys = np.char.add(np.char.add(self.labels.astype(str), "|"), self.sources)
        weights = np.zeros(len(keys))
        for label in range(len(PURPOSES)):
            mine = among & (self.labels == label)
            share = PRIOR[label]
            _, which, counts = np.unique(keys[mine], return_inverse=True, return_counts=True)
            # A source counts as the root of its size: small ones count, and do not rule.
            per_source = np.sqrt(counts) / np.sqrt(counts).sum()
            weights[mine] = share * (per_source / counts)[which]
        return np.asarray(weights * among.sum(), np.float32)


@nb.njit(cache=True)
def _train(  # type: ignore[no-untyped-def]
    features, starts, labels, weights, order, known, seed, table, bias, squares, step, drop, shrink
):
    """One pass of adaptive gradient descent (Duchi, Hazan and Singer 2011), in place."""
    np.random.seed(seed)
    purposes = table.shape[1]
    kept = np.empty(4096, np.int64)
    logits = np.empty(purposes, np.float32)
    for k in range(order.shape[0]):
        i = order[k]
        count = 0
        dropped = np.random.random() * drop
        for j in range(starts[i], starts[i + 1]):
            if known[features[j]] and np.random.random() >= dropped:
                kept[count] = features[j]
                count += 1
        if count == 0:
            continue
        norm = np.float32(1.0 / np.sqrt(count))
        logits[:] = bias
        for j in range(count):
            logits += table[kept[j]] * norm
        logits -= logits.max()
        shares = np.exp(logits)
        shares /= shares.sum()
        shares[labels[i]] -= 1.0
        shares *= weights[i]
        for j in range(count):
            f = kept[j]
            for c in range(purposes):
                gradient = shares[c] * norm + shrink * table[f, c]
                squares[f, c] += gradient * gradient
                table[f, c] -= step * gradient / np.sqrt(squares[f, c] + np.float32(1e-4))


@nb.njit(cache=True)
def _logits(features, starts, rows, table, bias):  # type: ignore[no-untyped-def]
    """As the kernel does it: unknown features do not count."""
    found = np.zeros((rows.shape[0], table.shape[1]), np.float32)
    for k in range(rows.shape[0]):
        count = 0
        for j in range(starts[rows[k]], starts[rows[k] + 1]):
            row = table[features[j]]
            found[k] += row
            if np.any(row != 0):
                count += 1
        found[k] = found[k] / np.sqrt(max(count, 1)) + bias
    return found


@nb.njit(cache=True)
def _seen(features, starts, rows, size):  # type: ignore[no-untyped-def]
    """In how many of the rows each feature occurs."""
    seen = np.zeros(size, np.int64)
    last = np.full(size, -1, np.int64)
    for k in range(rows.shape[0]):
        for j in range(starts[rows[k]], starts[rows[k] + 1]):
            if last[features[j]] != k:
                last[features[j]] = k
                seen[features[j]] += 1
    return seen


def train(data: Data, among: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Weights and biases from these requests."""
    table = np.zeros((1 << data.kind.bits, len(PURPOSES)), np.float32)
    squares = np.zeros_like(table)
    bias = np.log(PRIOR)
    weights = data.weights(among)
    known = _seen(data.features, data.starts, np.flatnonzero(among), len(table)) >= LEAST_SEEN
    rng = np.random.default_rng(SEED)
    for epoch in range(EPOCHS):
        order = rng.permutation(np.flatnonzero(among))
        _train(
            data.features,
            data.starts,
            data.labels,
            weights,
            order,
            known,
            epoch,
            table,
            bias,
            squares,
            np.float32(STEP),
            DROPPED,
            np.float32(data.kind.shrink),
        )
    unit = float(np.quantile(np.abs(table[known]), 0.999)) / 127
    return np.clip(np.rint(table / unit), -127, 127).astype(np.float32) * np.float32(unit), bias


def softmax(logits: FloatArray) -> FloatArray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fold_of(sources: npt.NDArray[np.str_]) -> IntArray:
    """Whole sources to folds: the simulator's in one, and each part of the phrase lists in one."""
    parts = [int(s.rsplit(":", 1)[1]) + 1 if s.startswith("phrases:") else 0 for s in sources]
    return np.array(parts)


def temperature(logits: FloatArray, labels: IntArray, weights: FloatArray) -> float:
    """The divisor of the words' part of the logits under which the labels are likeliest (Guo and others 2017)."""
    prior = np.log(PRIOR)
    candidates = np.geomspace(0.25, 8.0, 81)
    losses = [
        -(
            np.log(softmax(prior + (logits - prior) / t)[np.arange(len(labels)), labels] + 1e-12)
            * weights
        ).sum()
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def report(data: Data, shares: FloatArray, folds: IntArray) -> None:
    """Every request by the model that saw nothing of its source, by purpose and by language."""
    own = PURPOSES.index(OWN_WORK)
    told = np.where(shares.max(axis=1) > 0.5, shares.argmax(axis=1), -1)
    parts = ((folds > 0, "new phrasings"), (folds == 0, "the simulator's build half"))
    head = "".join(f" {name}: right | unsure | wrong |" for _, name in parts)
    print(f"| wanted for | requests |{head}\n|---|---:|{'---:|' * 6}")
    for label, name in enumerate(PURPOSES):
        cells = [f"{(data.labels == label).sum():,}"]
        for part, _ in parts:
            mine = part & (data.labels == label)
            right, unsure = (told == label)[mine].mean(), (told < 0)[mine].mean()
            cells += [f"{share:.3f}" for share in (right, unsure, 1 - right - unsure)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        "\n| language | targets right, new phrasings | targets right, simulator | own work named a target |"
    )
    print("|---|---:|---:|---:|")
    for language in np.unique(data.languages):
        here = (data.languages == language) & (data.labels != own)
        known = [here & part for part, _ in parts]
        cells = [f"{(told == data.labels)[k].mean():.3f}" if k.any() else "–" for k in known]
        theirs = (data.languages == language) & (data.labels == own)
        wrong = ((told >= 0) & (told != own))[theirs].mean()
        print(f"| {language} | {' | '.join(cells)} | {wrong:.3f} |")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    kind = KINDS[given.kind]
    out = given.out or FOLDER / kind.file
    examples = [*examples_of_phrases(EACH, SEED), *examples_of_simulator(EACH, SEED)]
    data = Data(examples, kind)
    folds = fold_of(data.sources)
    logits = np.zeros((len(examples), len(PURPOSES)), np.float32)
    for fold in np.unique(folds):
        table, bias = train(data, folds != fold)
        rows = np.flatnonzero(folds == fold)
        logits[rows] = _logits(data.features, data.starts, rows, table, bias)
    everything = np.ones(len(examples), np.bool_)
    weights = data.weights(everything)
    divisor = temperature(logits, data.labels, weights)
    prior = np.log(PRIOR)
    words = (logits - prior) / divisor
    report(data, softmax(words), folds)
    shares = softmax(prior + words)
    own = PURPOSES.index(OWN_WORK)
    mine = data.labels == own
    accident = float(np.average(1.0 - shares[mine, own], weights=weights[mine]))
    table, bias = train(data, everything)
    unit = float(np.abs(table).max()) / 127
    packed = np.rint(table / unit).astype(np.int8)
    np.savez_compressed(out, weights=packed, scale=unit / divisor, accident=accident)
    print(f"\n{len(examples):,} requests of {len(set(data.sources))} sources.")
    print(f"Temperature {divisor:.2f}, accident {accident:.3f}, {out.stat().st_size:,} bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
