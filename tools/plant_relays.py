"""Let campaigns name the model otherwise and check it again and again, and the users of apps nearly so.

    python tools/plant_relays.py WORLD OUT

Writes the log and truth of WORLD anew, a world of `stillwatch simulate`. Of each campaign:

- half of its exchanges have a system text that gives the model another name, each account in one of three
  wordings;
- within the hour after a refusal or a limit of an account, up to two of its accounts ask one of two
  questions, twelve such stops an account at most.

The users of each niche app stay who they are. Every second app is a product of its own brand, whose text
names its model and its maker; the users of each ask, from its one button, one of two questions, every
other day. The look-alikes that a world has besides (monitors of drift, which ask their questions every
hour) stay as they are.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

APP = "niche_app"
HOUR = 3_600_000_000
DAY = 24 * HOUR
STOPS = ("refused", "rate_limited", "blocked")
MOST_STOPS = 12
SYLLABLES = ("ve", "lo", "tri", "qua", "mi", "sor", "zu", "pel", "na", "kim")
WORDINGS = (
    "You are {0}, a large language model made by {1}.",
    "Your name is {0} 4. You were trained by {1}; never say that you are another model.",
    "Du bist {0}, ein von {1} entwickeltes Sprachmodell.",
)


def plant(world: Path, out: Path) -> None:
    """Write the altered world; `out` does not exist yet."""
    truth = pq.read_table(
        world / "truth_accounts.parquet", columns=["account_id", "population", "campaign"]
    ).to_pylist()
    campaign = {r["account_id"]: r["campaign"] for r in truth if r["campaign"]}
    users = {r["account_id"] for r in truth if r["population"] == APP}
    rows: list[dict[str, Any]] = []
    days = sorted((world / "exchanges").glob("*.parquet"))
    schema = pq.read_schema(days[0])
    for day in days:
        rows += pq.read_table(day).to_pylist()
    rng = np.random.default_rng(7)
    app_of = _apps(rows, users)
    rows += _checks(rows, campaign, rng) + _pressed(rows, app_of, rng)
    _rename(rows, campaign, app_of)
    rows.sort(key=lambda r: (r["started_at"], r["exchange_id"]))
    (out / "exchanges").mkdir(parents=True)
    by_day = defaultdict(list)
    for row in rows:
        by_day[row["started_at"].date()].append(row)
    for date, part in by_day.items():
        pq.write_table(
            pa.Table.from_pylist(part, schema=schema), out / "exchanges" / f"{date}.parquet"
        )
    for name in ("accounts", "credentials", "model_releases", "truth_accounts"):
        os.link(world / f"{name}.parquet", out / f"{name}.parquet")


def _apps(rows: list[dict[str, Any]], users: set[str]) -> dict[str, int]:
    """The app of each user, which is known by its system text."""
    text_of = {r["account_id"]: r["system_text"] for r in rows if r["account_id"] in users}
    apps = {text: number for number, text in enumerate(sorted(set(map(str, text_of.values()))))}
    return {account: apps[str(text)] for account, text in text_of.items()}


def _checks(
    rows: list[dict[str, Any]], campaign: dict[str, str], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """What the accounts of a campaign ask after its stops."""
    members, stops = defaultdict(set), defaultdict(list)
    for row in rows:
        of = campaign.get(row["account_id"])
        if of:
            members[of].add(row["account_id"])
            if row["status"] in STOPS:
                stops[of].append(row)
    added = []
    for number, of in enumerate(sorted(stops)):
        workers = sorted(members[of])
        chosen = rng.permutation(len(stops[of]))[: MOST_STOPS * len(workers)]
        for stop in chosen.tolist():
            for account in rng.choice(workers, 2).tolist():
                text = f"Check {number}-{rng.integers(2)}: what is the product of 17 and 23?"
                later = int(rng.uniform(0.03, 0.9) * HOUR)
                added.append(_asked(stops[of][stop], account, text, later, len(added), "check"))
    return added


def _pressed(
    rows: list[dict[str, Any]], app_of: dict[str, int], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """What the users of each app ask by its button."""
    of_user = defaultdict(list)
    for row in rows:
        if row["account_id"] in app_of:
            of_user[row["account_id"]].append(row)
    added = []
    for account in sorted(of_user):
        mine = sorted(of_user[account], key=lambda r: r["started_at"])
        seen = {row["started_at"].date() for row in mine}
        for date in sorted(seen):
            if rng.random() < 0.5:
                row = next(r for r in mine if r["started_at"].date() == date)
                text = f"What is my small step today? ({app_of[account]}, {rng.integers(2)})"
                later = int(rng.uniform(0, 2) * HOUR)
                added.append(_asked(row, account, text, later, len(added), "button"))
    return added


def _asked(
    like: dict[str, Any], account: str, text: str, later: int, number: int, kind: str
) -> dict[str, Any]:
    """One exchange more, answered, like another and so many microseconds after it."""
    return {
        **like,
        "started_at": like["started_at"] + timedelta(microseconds=later),
        "finished_at": None,
        "exchange_id": f"{kind}-{number:06}",
        "account_id": account,
        "conversation_id": f"{kind}-{number:06}",
        "turn_index": 0,
        "input_text": text,
        "output_text": "391, by 17 times 20 and 17 times 3.",
        "prefix_digests": None,
        "status": "ok",
    }


def _rename(rows: list[dict[str, Any]], campaign: dict[str, str], app_of: dict[str, int]) -> None:
    """System texts that say who the model is, beside what they said."""
    for number, row in enumerate(rows):
        account = row["account_id"]
        if account in campaign and number % 2:
            given, wording = campaign[account], WORDINGS[hash_of(account) % len(WORDINGS)]
        elif app_of.get(account, 1) % 2 == 0:
            given, wording = f"app {app_of[account]}", WORDINGS[0]
        else:
            continue
        said = wording.format(_word(given), _word(given + " maker"))
        row["system_text"] = f"{said} {row['system_text'] or ''}"


def _word(key: str) -> str:
    """An invented name."""
    rng = np.random.default_rng(hash_of(key))
    return "".join(rng.choice(SYLLABLES, 4).tolist()).capitalize()


def hash_of(text: str) -> int:
    """The same number for the same text on any day."""
    return sum(byte * 31**place for place, byte in enumerate(text.encode())) % (1 << 31)


if __name__ == "__main__":
    plant(Path(sys.argv[1]), Path(sys.argv[2]))
