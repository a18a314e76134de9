"""Clients: what software the members' requests say they come from, and how much they use.

Request settings and client software as fingerprints, software that contradicts itself or says
nothing, use levelled just under the plan's limit, and accounts that slept and woke together.
Card: `docs/signals/clients.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.places import ranked
from stillwatch.signals.repeats import UNKNOWN, Population, population, together
from stillwatch.signals.tell import Scene, Tell
from stillwatch.signals.traffic import Traffic

__all__ = ["FAMILIES", "NAME", "measure"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "clients"
DAY = 86_400_000_000
SHOWN = float(np.log(1000.0))  # e-value from which a family is a member's reason
EXPECTED = 5.0  # accounts that a pair of agent and TLS fingerprint must be expected on by chance
CONTRADICTION = 1.0  # nats by which the pair is rarer than chance
LEVEL = np.array([0.5, 0.8, 0.9, 1.0])  # parts of the plan's tokens a day, on the busiest day
SLEEP = 3  # whole days without an exchange, between days with one

FAMILIES: dict[str, str] = {
    "settings": "the same settings of requests",
    "software": "the same client software",
    "coherence": "a client that contradicts itself, or says nothing of itself",
    "quota": "the same part of the plan's limit on their busiest day",
    "sleep": "the same days of sleep and waking",
}
"""Each with its words; each is one attribute of an account."""

TELLING: dict[str, tuple[int, ...]] = {"coherence": (1, 2), "quota": (2, 3)}
"""Families of which only some values tell anything: a contradiction or silence, and use just under
the limit. An e-value times the event that the commonest value is one of them is one still."""


def measure(scene: Scene) -> Tell:
    """What each group's members have in common in how they ask.

    Null: within plan and like numbers of exchanges, the members' fingerprints are exchangeable with
    those of the accounts outside the group. The e-value is the mean over the families. Users of one
    app share its client and its settings for an honest reason, so it ties nobody.
    """
    populations = _populations(scene)
    families = list(FAMILIES)
    accounts = [group.accounts for group in scene.groups]
    log_e = np.array([[_log_e(populations[f], f, a) for f in families] for a in accounts])
    largest = np.array([[populations[f].largest(a) for f in families] for a in accounts])
    log_e = log_e.reshape(len(accounts), len(families))
    observed, usual, members, rows = [], [], [], []
    for number, group in enumerate(scene.groups):
        shown = [f for f, value in zip(families, log_e[number], strict=True) if value >= SHOWN]
        parts = [populations[family].most_shared(group.accounts) for family in shown]
        observed.append(
            "; ".join(
                f"{len(part.holders)} of {part.known} members show {FAMILIES[family]}"
                for family, part in zip(shown, parts, strict=True)
            )
        )
        usual.append("; ".join(f"{part.elsewhere:.1%} of like accounts do" for part in parts))
        holders = [part.holders for part in parts]
        members.append(np.unique(np.concatenate(holders)) if holders else np.zeros(0, np.int64))
        rows.append(scene.first_rows(group, members[-1]))
    return Tell(
        signal=NAME,
        log_e=_mean(log_e, len(families)),
        largest=_mean(largest.reshape(log_e.shape), len(families)),
        text="It asks with what other members ask with and few like accounts do.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def _log_e(one: Population, family: str, accounts: IntArray) -> float:
    telling = TELLING.get(family)
    if telling is not None and one.most_shared(accounts).value not in telling:
        return -np.inf if (one.values[accounts] != UNKNOWN).any() else 0.0
    return one.log_e(accounts)


def _mean(logs: FloatArray, families: int) -> FloatArray:
    return np.asarray(np.logaddexp.reduce(logs, axis=1) - np.log(families))


def _populations(scene: Scene) -> dict[str, Population]:
    """Every account's fingerprints, among accounts of its plan that say as much."""
    traffic, known = scene.traffic, scene.attributes
    accounts = len(traffic.account_names)
    exchanges = traffic.exchanges
    alike = together(known.plan + 1, np.log2(np.maximum(exchanges, 1)).astype(np.int64))
    requests = traffic.requests
    agent, tls = (
        _usual(traffic, column, accounts) for column in (requests.user_agent, requests.tls)
    )
    columns = {
        "settings": _usual(traffic, requests.settings, accounts),
        "software": together(agent, tls),
        "coherence": _coherence(agent, tls),
        "quota": _level(traffic, known.quota),
        "sleep": _sleep(traffic, accounts),
    }
    return {family: population(values, alike) for family, values in columns.items()}


def _usual(traffic: Traffic, column: IntArray, accounts: int) -> IntArray:
    """The value on most of each account's exchanges, numbered; `UNKNOWN` where none is set."""
    usual = np.full(accounts, UNKNOWN)
    told = np.flatnonzero(column != 0)
    if len(told) == 0:
        return usual
    values, codes = ranked(column[told])
    size = len(values)
    keys, at = ranked(traffic.accounts[told].astype(np.int64) * size + codes)
    counts = np.bincount(at)
    order = np.lexsort((-keys, counts))  # of equals the first; the last one written stays
    usual[keys[order] // size] = keys[order] % size
    return usual


def _coherence(agent: IntArray, tls: IntArray) -> IntArray:
    """0 for a client whose agent and TLS fingerprint go together, 1 if they contradict, 2 if scrubbed.

    They contradict where both are common and chance would pair them on `EXPECTED` accounts or more,
    yet they are paired e times as rarely as chance would: software has the TLS of its library.
    Scrubbed is who sends neither in a log where half of the accounts or more send both.
    """
    both = (agent != UNKNOWN) & (tls != UNKNOWN)
    if 2 * both.sum() < len(agent):
        return np.full(len(agent), UNKNOWN)
    state = np.where((agent == UNKNOWN) & (tls == UNKNOWN), 2, UNKNOWN)
    pair = together(agent, tls)[both]
    times = [np.bincount(values)[values] for values in (agent[both], tls[both], pair)]
    expected = times[0] * times[1] / both.sum()
    rarer = np.log(expected / times[2])
    state[both] = ((expected >= EXPECTED) & (rarer >= CONTRADICTION)).astype(np.int64)
    return state


def _level(traffic: Traffic, quota: IntArray) -> IntArray:
    """The band of `LEVEL` that the busiest day's output tokens reach; unknown without a limit."""
    pairs, at = _account_days(traffic)
    busiest = np.zeros(len(quota))
    np.maximum.at(busiest, pairs >> 32, np.bincount(at, weights=traffic.output_tokens))
    part = busiest / np.maximum(quota, 1)
    return np.where(quota > 0, np.searchsorted(LEVEL, part, side="right"), UNKNOWN)


def _sleep(traffic: Traffic, accounts: int) -> IntArray:
    """Day of falling asleep and of waking, of the longest sleep; unknown for who never slept."""
    pairs, _ = _account_days(traffic)
    account, day = pairs >> 32, pairs & 0xFFFFFFFF
    gap = np.diff(day)
    slept = np.flatnonzero((np.diff(account) == 0) & (gap > SLEEP))
    slept = slept[np.argsort(gap[slept], kind="stable")]
    asleep, awake = np.full(accounts, UNKNOWN), np.full(accounts, UNKNOWN)
    asleep[account[slept]] = day[slept]
    awake[account[slept]] = day[slept + 1]
    return together(asleep, awake)


def _account_days(traffic: Traffic) -> tuple[IntArray, IntArray]:
    """The days on which each account sent anything (account << 32 | day), and that of each exchange."""
    return ranked(traffic.accounts.astype(np.int64) << 32 | traffic.started // DAY)
