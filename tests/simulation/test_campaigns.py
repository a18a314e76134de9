"""What campaigns do, and what the dials of evasion hide."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.records import InputError
from stillwatch.simulation import Evasion
from stillwatch.simulation.campaigns.queue import deal
from stillwatch.simulation.campaigns.scheduling import Slots
from stillwatch.simulation.means import DISPOSABLE_MAIL


def collected(world, **wanted):
    """Rows that serve a campaign."""
    return [
        row
        for row in world.joined()
        if row["distill"] and all(row[name] == value for name, value in wanted.items())
    ]


@given(
    workers=st.integers(1, 20),
    count=st.integers(0, 400),
    copies=st.integers(1, 4),
    limited=st.floats(0, 0.5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_each_task_is_answered_the_same_number_of_times(workers, count, copies, limited, seed):
    """Whoever fails, the queue hands the task on until it is answered as often as wanted."""
    rng = np.random.default_rng(seed)
    slots = Slots(rng.integers(0, workers, count), np.arange(count))

    dealt = deal(rng, slots, copies=copies, refused=0.1, limited=limited)

    answered = Counter(
        task
        for task, status in zip(dealt.task.tolist(), dealt.statuses, strict=True)
        if status in ("ok", "refused")
    )
    assert set(answered.values()) <= {copies}
    assert len(answered) == dealt.tasks == count_answered(dealt) // copies


def count_answered(dealt):
    return sum(status in ("ok", "refused") for status in dealt.statuses)


def test_a_limited_task_goes_to_the_next_slot():
    """Collectors fail over: the same task is asked again by whoever is next."""
    rng = np.random.default_rng(5)
    slots = Slots(np.arange(300) % 7, np.arange(300))

    dealt = deal(rng, slots, copies=1, refused=0.0, limited=0.3)

    for at in range(len(dealt.statuses) - 1):
        moved_on = dealt.task[at + 1] != dealt.task[at]
        assert moved_on == (dealt.statuses[at] == "ok")


@pytest.mark.parametrize(("campaign", "copies"), [("synchronised", 1), ("judge_only", 2)])
def test_worlds_deal_each_item_a_fixed_number_of_times(make_world, campaign, copies):
    """The truth shows one queue divided over all accounts."""
    world = make_world(campaigns=(campaign,), populations=("people",), accounts=120)

    answered = Counter(
        row["item"] for row in collected(world) if row["status"] in ("ok", "refused")
    )
    assert len(answered) > 100
    assert set(answered.values()) == {copies}


def test_cards_devices_and_networks_are_shared_as_the_identity_dial_says(make_world):
    """0 all; 1 within five; 2 issuer and operator only; 3 nothing."""
    seen = {}
    for level in range(4):
        world = make_world(level=f"identity={level}", populations=("people",), accounts=120)
        members = {r["account_id"] for r in world.rows("truth_accounts") if r["campaign"]}
        accounts = [r for r in world.rows("accounts") if r["account_id"] in members]
        rows = collected(world)
        seen[level] = {
            "cards": len({a["payment_token"] for a in accounts}),
            "devices": len({a["device_token"] for a in accounts}),
            "issuers": len({a["payment_bin"] for a in accounts}),
            "nets": len({r["client_net_token"] for r in rows}),
            "operators": len({r["client_asn"] for r in rows}),
        }

    assert seen[0] == {"cards": 1, "devices": 1, "issuers": 1, "nets": 1, "operators": 1}
    assert (seen[1]["cards"], seen[1]["devices"], seen[1]["nets"]) == (4, 4, 4)
    assert (seen[2]["cards"], seen[2]["issuers"], seen[2]["operators"]) == (20, 1, 1)
    assert seen[2]["nets"] > 20
    assert seen[3]["cards"] == 20
    assert min(seen[3]["issuers"], seen[3]["operators"]) > 5


@pytest.mark.parametrize(("level", "share"), [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.9)])
def test_cover_makes_up_the_share_that_its_dial_says(make_world, level, share):
    """In the whole campaign and, nearly, in each account."""
    world = make_world(level=f"cover={level}", populations=("people",), accounts=120)
    members = {r["account_id"] for r in world.rows("truth_accounts") if r["campaign"]}
    rows = [row for row in world.joined() if row["account_id"] in members]

    cover = sum(not row["distill"] for row in rows) / len(rows)
    assert cover == pytest.approx(share, abs=0.04)


def test_volumes_are_level_at_timing_0_and_uneven_at_2_and_3(make_world):
    """A dispatcher gives each account the same; real pools are uneven."""
    spread = {}
    for level in range(4):
        world = make_world(level=f"timing={level}", populations=("people",), accounts=120)
        counts = np.array(list(Counter(r["account_id"] for r in collected(world)).values()))
        spread[level] = counts.std() / counts.mean()

    assert spread[0] < 0.06
    assert 0.05 < spread[1] < 0.35
    assert spread[2] > 0.4
    assert spread[3] > 0.4


def test_round_robin_never_sleeps_and_waking_hours_do(make_world):
    """At timing 0 an account's pauses are all alike, at 2 it rests for much longer than usual."""
    longest = {}
    for level in (0, 2):
        world = make_world(level=f"timing={level}", populations=("people",), accounts=120)
        moments = defaultdict(list)
        for row in collected(world):
            moments[row["account_id"]].append(row["started_at"].timestamp())
        pauses = [np.diff(np.sort(at)) for at in moments.values()]
        longest[level] = np.median([pause.max() / np.median(pause) for pause in pauses])

    assert longest[0] < 3
    assert longest[2] > 8


def test_wording_shares_less_at_each_level(make_world):
    """Common runs of five words become rarer from verbatim to no common wording."""
    shared = []
    for level in (0, 1, 3):
        world = make_world(level=f"wording={level}", populations=("people",), accounts=120)
        common = Counter()
        rows = collected(world)
        for row in rows:
            words = f"{row['system_text'] or ''} {row['input_text']}".split()
            common.update({tuple(words[i : i + 5]) for i in range(len(words) - 4)})
        shared.append(max(common.values()) / len(rows))

    assert shared[0] > shared[1] > shared[2]


def test_hydra_replaces_what_is_banned(make_world):
    """Accounts opened after a ban take over; half of all serve unrelated customers too."""
    world = make_world(campaigns=("hydra",))
    roles = Counter(r["role"] for r in world.rows("truth_accounts") if r["campaign"])
    banned = [r for r in world.rows("accounts") if r["closed_reason"] == "terms_of_use"]
    first_ban = min(row["closed_at"] for row in banned)
    starts = defaultdict(list)
    for row in collected(world):
        starts[row["account_id"]].append(row["started_at"])

    late = [name for name, moments in starts.items() if min(moments) > first_ban]
    assert len(banned) == sum(roles.values()) // 4
    assert len(late) >= len(banned) - 1
    assert roles["mixed"] > 0


def test_the_second_pool_takes_over_from_the_first(make_world):
    """When the first pool is banned its work goes on elsewhere, on disposable mail."""
    world = make_world(
        "full", campaigns=("two_pools",), populations=("people",), accounts=150, days=8
    )
    accounts = {r["account_id"]: r for r in world.rows("accounts")}
    members = [r["account_id"] for r in world.rows("truth_accounts") if r["campaign"]]
    banned = {name for name in members if accounts[name]["status"] == "banned"}
    last = max(accounts[name]["closed_at"] for name in banned)
    after = {row["account_id"] for row in collected(world) if row["started_at"] > last}

    assert after == set(members) - banned
    named = {accounts[name]["email_domain"] for name in members}
    assert all(name in DISPOSABLE_MAIL or name.startswith("domain_") for name in named)


def test_pivot_turns_to_a_new_model_within_a_day(make_world):
    """A day after the release most of its requests ask for the new model."""
    world = make_world("full", campaigns=("pivot",), populations=("people",), accounts=150, days=8)
    released = next(
        r["released_at"] for r in world.rows("model_releases") if r["model"] == "aster-4-large"
    )

    later = [r for r in collected(world) if (r["started_at"] - released).total_seconds() > 86_400]
    assert sum(row["model"] == "aster-4-large" for row in later) > 0.8 * len(later)


def test_stolen_keys_keep_serving_their_owners(make_world):
    """The same credential does its owner's work, and the campaign's from another network."""
    world = make_world(
        "full", campaigns=("stolen_keys",), populations=("people",), accounts=150, days=8
    )
    roles = {r["role"] for r in world.rows("truth_accounts") if r["campaign"]}
    own, stolen = defaultdict(set), defaultdict(set)
    for row in world.joined():
        (stolen if row["distill"] else own)[row["credential_id"]].add(row["client_asn"])

    assert roles == {"compromised"}
    assert stolen
    assert all(own[key] and own[key].isdisjoint(stolen[key]) for key in stolen)


def test_probing_is_mostly_refused_before_the_winner_is_scaled_up(make_world):
    """Phrasings are tried on the same tasks; each pair of the two is asked once."""
    world = make_world(
        "full", campaigns=("probing",), populations=("people",), accounts=150, days=8
    )
    trial = [row for row in collected(world) if "#phrasing-" in row["item"]]
    rest = [row for row in collected(world) if "#phrasing-" not in row["item"]]

    assert sum(row["status"] == "refused" for row in trial) > 0.7 * len(trial)
    assert sum(row["status"] == "refused" for row in rest) < 0.1 * len(rest)
    assert len({row["item"].partition("#")[2] for row in trial}) >= 20


def test_some_campaigns_replay_reasoning_of_another_account(make_world):
    """A signature issued to one account is presented by another; honest people do not do that."""
    world = make_world(campaigns=("access_paths",), populations=("people",), accounts=120)
    issued = {r["reasoning_signature_issued"]: r["account_id"] for r in world.rows("exchanges")}

    replayed = [
        row
        for row in world.joined()
        for block in row["reasoning_signatures_presented"] or ()
        if issued[block] != row["account_id"]
    ]
    assert len(replayed) > 20
    assert all(row["distill"] for row in replayed)


def test_readers_of_a_tutorial_present_its_published_block(make_world):
    """One honest cause of a signature that travels between accounts."""
    world = make_world(populations=("tutorial_readers",), campaigns=())
    presented = defaultdict(set)
    for row in world.rows("exchanges"):
        for block in row["reasoning_signatures_presented"] or ():
            presented[block].add(row["account_id"])

    assert max(len(accounts) for accounts in presented.values()) > 5


def test_pooled_keys_pass_conversations_on_for_an_honest_reason(make_world):
    """A router presents one account's signed reasoning from another of the same owner."""
    world = make_world(populations=("pooled_router",), campaigns=(), accounts=30)
    owner = {r["account_id"]: r["organization_id"] for r in world.rows("accounts")}
    issued = {r["reasoning_signature_issued"]: r["account_id"] for r in world.rows("exchanges")}

    passed_on = [
        (issued[block], row["account_id"])
        for row in world.rows("exchanges")
        for block in row["reasoning_signatures_presented"] or ()
        if issued[block] != row["account_id"]
    ]
    assert passed_on
    assert all(owner[first] == owner[second] for first, second in passed_on)


def test_the_shell_company_of_a_campaign_is_too_young_to_be_declared(make_world):
    """Thirty days must lie between an organisation's declaration and the first exchange."""
    world = make_world("full", campaigns=("pivot",), populations=("people",), accounts=150, days=8)
    members = {r["account_id"] for r in world.rows("truth_accounts") if r["campaign"]}
    first = min(row["started_at"] for row in collected(world))
    shells = [r for r in world.rows("accounts") if r["account_id"] in members]

    assert len({row["organization_id"] for row in shells}) == 1
    assert all((first - row["organization_since"]).days < 30 for row in shells)


def test_some_campaigns_go_on_with_another_accounts_conversation(make_world):
    """The digest of an answer given to one account comes back from another."""
    world = make_world(campaigns=("small_ring",), populations=("people",), accounts=120)
    answered = {r["output_digest"]: r["account_id"] for r in world.rows("exchanges")}

    continued = [
        row
        for row in collected(world)
        if any(
            answered.get(d, row["account_id"]) != row["account_id"]
            for d in row["prefix_digests"] or ()
        )
    ]
    assert len(continued) > 10


@pytest.mark.parametrize(("campaign", "least"), [("free_tier", 0.4), ("synchronised", 0.2)])
def test_some_campaigns_ask_several_tasks_in_one_conversation(make_world, campaign, least):
    """Later turns resend the history, and every turn is an item of the list."""
    world = make_world(campaigns=(campaign,), populations=("people",), accounts=120)
    rows = collected(world)
    later = [row for row in rows if (row["turn_index"] or 0) > 0]

    assert len(later) > least * len(rows)
    assert all(row["item"] for row in later)
    own = defaultdict(set)
    for row in rows:
        own[row["account_id"]].add(row["output_digest"])
    resent = [row for row in later if set(row["prefix_digests"] or ()) & own[row["account_id"]]]
    assert len(resent) > 0.8 * len(later)


def test_a_reseller_sends_in_talks_that_began_elsewhere(make_world):
    """Histories none of whose messages was ever answered here."""
    world = make_world(campaigns=("hydra",))
    answered = {r["output_digest"] for r in world.rows("exchanges")}
    foreign = [
        row
        for row in collected(world)
        if row["prefix_digests"] and not set(row["prefix_digests"]) & answered
    ]

    assert 0.03 < len(foreign) / len(collected(world)) < 0.15


def test_movers_take_one_talk_to_their_firms_account(make_world):
    """An honest cause of a conversation that goes on under another account."""
    world = make_world(populations=("account_movers",), campaigns=(), accounts=40)
    rows = world.rows("exchanges")
    times = Counter(r["output_digest"] for r in rows)
    answered = {r["output_digest"]: r["account_id"] for r in rows if times[r["output_digest"]] == 1}
    group = {r["account_id"]: r["honest_group"] for r in world.rows("truth_accounts")}
    moved = {
        (answered[digest], row["account_id"])
        for row in rows
        for digest in row["prefix_digests"] or ()
        if answered.get(digest, row["account_id"]) != row["account_id"]
    }

    assert len(moved) == len(set(group.values()))
    assert all(group[giver] == group[taker] for giver, taker in moved)


@pytest.mark.parametrize("text", ["4", "identity=9", "stealth=1", "identity", "", "cover=-1"])
def test_impossible_dials_are_refused(text):
    """With the dial's name or range in the message."""
    with pytest.raises(InputError):
        Evasion.parse(text)


def test_dials_not_named_stay_at_1():
    """And cover may be written as a percentage."""
    assert Evasion.parse("identity=3,cover=90") == Evasion(identity=3, wording=1, timing=1, cover=3)
    assert Evasion.parse("2") == Evasion(2, 2, 2, 2)


def test_a_relayed_session_keeps_its_id_over_many_accounts(make_world):
    """Its turns follow each other in time, on accounts that share no card and no network."""
    world = make_world(campaigns=("relayed_sessions",), populations=("people",), accounts=120)
    sessions = defaultdict(list)
    for row in sorted(collected(world), key=lambda r: r["started_at"]):
        sessions[row["conversation_id"]].append(row)
    long = [rows for rows in sessions.values() if len(rows) >= 4]

    assert len(long) > 5
    for rows in long:
        turns = [row["turn_index"] for row in rows]
        assert turns == sorted(turns)
        assert len({row["account_id"] for row in rows}) > 1
        assert len(rows[-1]["prefix_digests"]) > len(rows[1]["prefix_digests"])


def test_replayed_reasoning_is_all_that_its_accounts_share(make_world):
    """Blocks issued to one are presented by another; cards, networks and conversations are own."""
    world = make_world(campaigns=("replayed_reasoning",), populations=("people",), accounts=120)
    mine = collected(world)
    owner = {row["reasoning_signature_issued"]: row["account_id"] for row in mine}
    moved = [
        (owner[block], row["account_id"])
        for row in mine
        for block in row["reasoning_signatures_presented"] or ()
    ]
    members = {row["account_id"] for row in mine}
    cards = [r["payment_token"] for r in world.rows("accounts") if r["account_id"] in members]
    networks = {(row["client_net_token"], row["account_id"]) for row in mine}

    assert len({taker for giver, taker in moved if giver != taker}) > len(members) / 2
    assert len(set(cards)) == len(cards)
    assert len({network for network, _ in networks}) == len(networks)
    assert not any(row["prefix_digests"] for row in mine)
