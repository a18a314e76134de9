"""What an engineer would write in pandas on the day of an alarm: three rules, a point for each.

    pandas_script.py WORLD OUT

Run in the peers' own environment. Writes OUT/accounts.parquet: `account`, `score` (0 to 3 points).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

world, out = Path(sys.argv[1]), Path(sys.argv[2])
columns = ["account_id", "started_at", "input_text", "client_ip"]
exchanges = pd.read_parquet(world / "exchanges", columns=columns)
accounts = pd.read_parquet(world / "accounts.parquet").set_index("account_id")

# Contracts are known customers: an enterprise's seats share everything.
known = accounts["organization_verified"].isin(["contract", "kyc"])

# 1. Three accounts or more, and no crowd, on one card or one address.
cards = accounts["payment_token"].rename("value").dropna().reset_index()
addresses = exchanges[["account_id", "client_ip"]].drop_duplicates()
addresses = addresses.rename(columns={"client_ip": "value"}).dropna()
shared = pd.concat([cards, addresses])
sharers = shared.groupby("value")["account_id"].transform("nunique")
ties = set(shared.loc[sharers.between(3, 100), "account_id"])

# 2. Five accounts or more begin their prompts alike, and begin a fifth of their own prompts so.
opening = exchanges["input_text"].fillna("").str.lower().str.split().str.join(" ").str[:50]
begun = exchanges.assign(opening=opening)[opening.str.len() >= 20]
uses = begun.groupby(["opening", "account_id"]).size().rename("uses").reset_index()
uses["accounts"] = uses.groupby("opening")["account_id"].transform("nunique")
uses["share"] = uses["uses"] / uses["account_id"].map(exchanges["account_id"].value_counts())
templates = set(uses.loc[(uses["accounts"] >= 5) & (uses["share"] >= 0.2), "account_id"])

# 3. On its busiest day, a standard deviation above the log's accounts; volumes have a long tail.
days = exchanges.groupby(["account_id", exchanges["started_at"].dt.floor("D")]).size()
busiest = np.log(days.groupby("account_id").max())
volume = set(busiest.index[(busiest - busiest.mean()) / busiest.std() >= 1])

points = pd.DataFrame({"account": accounts.index})
points["score"] = sum(
    points["account"].isin(rule).astype(int) for rule in (ties, templates, volume)
)
points.loc[points["account"].map(known), "score"] = 0
points.to_parquet(out / "accounts.parquet")
