"""Simulate, scan and evaluate worlds over several seeds, and render docs/evaluation.md.

    tools/evaluate_worlds.py --world full --seeds 1,2,3 --accounts 15000 --days 14 \\
        --exchanges 1000000 --out full.json --markdown docs/evaluation.md

Worlds, findings and the result of each seed lie in a folder named after `--out`; a seed whose
result is there is not run again. Without `--world`, only the page is rendered, from `--out` and
from every `--with`. On a page that has the two markers, what lies between them is replaced.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from stillwatch.evaluation.report import MeasuredWorld, render_report

_STILLWATCH = str(Path(sys.executable).with_name("stillwatch"))
_BEGIN = "<!-- measured: begin -->"
_END = "<!-- measured: end -->"

# `scan` says with 3 that it found something.
_EXPECTED = {"simulate": {0}, "scan": {0, 3}, "evaluate": {0}}


@click.command()
@click.option("--world", help="A world of `stillwatch simulate --list`.")
@click.option("--seeds", default="1,2,3", show_default=True, help="With commas.")
@click.option("--accounts", type=int, default=4000, show_default=True)
@click.option("--days", type=int, default=14, show_default=True)
@click.option("--exchanges", type=int, help="Scale the volumes to this total.")
@click.option("--evasion", help="As `stillwatch simulate --evasion`.")
@click.option("--corpus", type=click.Path(path_type=Path, exists=True), help="More prompts.")
@click.option("--until", help="As `stillwatch scan --until`.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Results, as JSON.")
@click.option("--with", "others", type=click.Path(path_type=Path, exists=True), multiple=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="The page to render.")
@click.option("--discard-worlds", is_flag=True, help="Delete each world once it is evaluated.")
def main(
    *,
    world: str | None,
    seeds: str,
    out: Path,
    others: tuple[Path, ...],
    markdown: Path | None,
    discard_worlds: bool,
    **options: Any,
) -> None:
    """Measure how well `scan` does on simulated worlds."""
    if world is not None:
        folder = out.with_suffix("")
        runs = [
            _measure(world, int(seed), folder, options, discard_worlds=discard_worlds)
            for seed in seeds.split(",")
        ]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    if markdown is not None:
        measured = [run for path in (out, *others) for run in _read(path)]
        _write_between_markers(markdown, render_report(measured))


def _measure(
    world: str, seed: int, folder: Path, options: dict[str, Any], *, discard_worlds: bool
) -> MeasuredWorld:
    result = folder / f"{world}-{seed}.json"
    if result.is_file():
        return MeasuredWorld(**json.loads(result.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    place, findings = f"{world}-{seed}", f"{world}-{seed}-findings"
    for unfinished in (place, findings):
        shutil.rmtree(folder / unfinished, ignore_errors=True)
    steps = _steps(world, seed, place, findings, options)
    simulated, scanned, evaluation = (_stillwatch(step, folder) for step in steps)
    run = MeasuredWorld(
        world=json.loads((folder / place / "world.json").read_text()),
        simulated=simulated,
        scanned={key: scanned.get(key) for key in ("seconds", "peak_memory_bytes")},
        evaluation=evaluation,
        commands=[_in_words(step, options["corpus"]) for step in steps],
    )
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(run), indent=1) + "\n")
    partial.replace(result)
    if discard_worlds:
        shutil.rmtree(folder / place)
    return run


def _steps(
    world: str, seed: int, place: str, findings: str, options: dict[str, Any]
) -> list[list[str]]:
    simulate = ["simulate", "--world", world, "--seed", str(seed), *_simulate_options(options)]
    scan = ["scan", "--exchanges", f"{place}/exchanges", "--accounts", f"{place}/accounts.parquet"]
    scan += ["--credentials", f"{place}/credentials.parquet"]
    scan += ["--releases", f"{place}/model_releases.parquet"]
    scan += ["--until", options["until"]] if options["until"] else []
    return [
        [*simulate, "--out", place],
        [*scan, "--out", findings],
        ["evaluate", place, findings],
    ]


def _simulate_options(options: dict[str, Any]) -> list[str]:
    given = []
    for name in ("accounts", "days", "exchanges", "evasion", "corpus"):
        value = options[name]
        if value is not None:
            given += [f"--{name}", str(value.resolve() if isinstance(value, Path) else value)]
    return given


def _stillwatch(step: Sequence[str], folder: Path) -> dict[str, Any]:
    click.echo("stillwatch " + " ".join(step), err=True)
    done = subprocess.run(
        [_STILLWATCH, *step, "--json"], cwd=folder, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in _EXPECTED[step[0]]:
        raise click.ClickException(f"stillwatch {step[0]} ended with status {done.returncode}")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def _in_words(step: Sequence[str], corpus: Path | None) -> str:
    """The command as a reader would type it: where the corpus lies is no one else's business."""
    place = str(corpus.resolve()) if corpus else None
    return "stillwatch " + " ".join("CORPUS" if word == place else word for word in step)


def _read(path: Path) -> list[MeasuredWorld]:
    return [MeasuredWorld(**run) for run in json.loads(path.read_text())]


def _write_between_markers(page: Path, report: str) -> None:
    old = page.read_text() if page.is_file() else f"# Evaluation\n\n{_BEGIN}\n{_END}\n"
    if _BEGIN not in old or _END not in old:
        raise click.ClickException(f"{page} lacks the markers {_BEGIN} and {_END}")
    before, after = old.split(_BEGIN, 1)[0], old.split(_END, 1)[1]
    page.write_text(f"{before}{_BEGIN}\n\n{report}\n{_END}{after}")


if __name__ == "__main__":
    main()
