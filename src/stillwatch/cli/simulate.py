"""`stillwatch simulate`: a traffic world with known truth."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable
from pathlib import Path

import click

from stillwatch.cli.output import emit_json, people, reports_errors, say
from stillwatch.records import InputError

__all__ = ["command"]


@click.command("simulate")
@click.option("--world", metavar="NAME", default="demo", show_default=True, help="Kind of world.")
@click.option("--seed", metavar="S", type=int, default=1, show_default=True, help="Seed.")
@click.option(
    "--accounts", metavar="N", type=int, help="Accounts; the world's own number if absent."
)
@click.option("--days", metavar="D", type=int, help="Days; the world's own number if absent.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--list", "lists", is_flag=True, help="Print the worlds and who may live in them.")
@click.option("--evasion", metavar="N", default="1", show_default=True, help="One level, or dials.")
@click.option("--campaigns", metavar="A,B", help="Only these campaigns; empty for none.")
@click.option("--populations", metavar="A,B", help="Only these honest populations.")
@click.option("--corpus", metavar="DIR", type=click.Path(path_type=Path), help="Further prompts.")
@click.option("--exchanges", metavar="N", type=int, help="Scale everyone's volume to about N.")
@click.option("--only", metavar="A,B", help="Only these, populations and campaigns alike.")
@click.option("--campaign-accounts", metavar="N", type=int, help="Accounts of every campaign.")
@click.option(
    "--campaign-exchanges", metavar="N", type=int, help="Exchanges of each of their accounts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    world: str,
    seed: int,
    accounts: int | None,
    days: int | None,
    out: Path | None,
    lists: bool,
    evasion: str,
    campaigns: str | None,
    populations: str | None,
    corpus: Path | None,
    exchanges: int | None,
    only: str | None,
    campaign_accounts: int | None,
    campaign_exchanges: int | None,
    as_json: bool,
) -> None:
    """Write a traffic world with known truth.

    The log's tables and, apart from them, the truth go to DIR. The same options give the
    same world on any machine. Dials: identity=N,wording=N,timing=N,cover=N, each 0 to 3.
    """
    from stillwatch.simulation import (
        CAMPAIGNS,
        POPULATIONS,
        WORLDS,
        CampaignSize,
        Evasion,
        order_world,
        simulate,
    )

    if lists:
        _list(as_json=as_json)
        return
    _one_of("--world", [world], WORLDS)
    if out is None:
        raise InputError("nowhere to write.", where="--out", remedy="Give a folder.")
    hostile = _names("--campaigns", campaigns, CAMPAIGNS)
    honest = _names("--populations", populations, POPULATIONS)
    if only is not None:
        if hostile is not None or honest is not None:
            raise InputError(
                "--only says who lives in the world.",
                where="--only",
                remedy="Leave out --campaigns and --populations.",
            )
        named = _names("--only", only, [*POPULATIONS, *CAMPAIGNS]) or ()
        honest = tuple(name for name in named if name in POPULATIONS)
        hostile = tuple(name for name in named if name in CAMPAIGNS)
    order = order_world(
        WORLDS[world],
        seed=_at_least("--seed", seed, 0) or 0,
        accounts=_at_least("--accounts", accounts, 20),
        days=_at_least("--days", days, 1),
        dials=Evasion.parse(evasion),
        campaigns=hostile,
        populations=honest,
        corpus=corpus,
        exchanges=_at_least("--exchanges", exchanges, 100),
        campaign_size=CampaignSize(
            accounts=_at_least("--campaign-accounts", campaign_accounts, 2),
            exchanges=_at_least("--campaign-exchanges", campaign_exchanges, 1),
        ),
    )
    began = time.monotonic()
    with people.status("Simulating.") as status:
        written = simulate(
            order, out, progress=lambda part: status.update(f"Simulating, {part:.0%} done.")
        )
    seconds = time.monotonic() - began
    share = written.campaign_accounts / max(1, written.accounts)
    say(
        f"{written.exchanges:,} exchanges of {written.accounts:,} accounts "
        f"({written.campaign_accounts:,} in campaigns, {share:.1%}) in {seconds:.1f} s."
    )
    if accounts and written.accounts > 1.1 * accounts:
        say(f"More accounts than {accounts:,}: every group and campaign has a least size.")
    say(
        f"Next: stillwatch scan --exchanges {out}/exchanges --accounts {out}/accounts.parquet "
        f"--credentials {out}/credentials.parquet --releases {out}/model_releases.parquet "
        f"--out findings"
    )
    if as_json:
        emit_json(
            {
                "exchanges": written.exchanges,
                "accounts": written.accounts,
                "campaign_accounts": written.campaign_accounts,
                "seconds": round(seconds, 2),
                "world": world,
                "seed": seed,
                "out": str(out),
            }
        )


def _names(option: str, given: str | None, known: Iterable[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    _one_of(option, names, known)
    return names


def _one_of(option: str, names: Iterable[str], known: Iterable[str]) -> None:
    possible = list(known)
    for name in names:
        if name not in possible:
            near = difflib.get_close_matches(name, possible, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(possible)}."
            raise InputError(f"there is no {name!r}.", where=option, remedy=hint)


def _at_least(option: str, value: int | None, least: int) -> int | None:
    if value is not None and value < least:
        raise InputError(f"{value} is too small.", where=option, remedy=f"Give {least} or more.")
    return value


def _list(*, as_json: bool) -> None:
    from stillwatch.simulation import CAMPAIGNS, POPULATIONS, WORLDS
    from stillwatch.simulation.campaigns import case_of
    from stillwatch.simulation.populations import reason_to_look_guilty

    worlds = {world.name: world.purpose for world in WORLDS.values()}
    honest = {name: reason_to_look_guilty(item) for name, item in POPULATIONS.items()}
    hostile = {name: case_of(item) for name, item in CAMPAIGNS.items()}
    if as_json:
        emit_json({"worlds": worlds, "populations": honest, "campaigns": hostile})
        return
    for title, entries in (("Worlds", worlds), ("Populations", honest), ("Campaigns", hostile)):
        click.echo(f"{title}:")
        for name, text in entries.items():
            click.echo(f"  {name:<24} {' '.join(text.split())}")
