"""What every simulated world keeps to."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    MODEL_RELEASES,
    TRUTH_ACCOUNTS,
    TRUTH_EXCHANGES,
    InputError,
    Role,
    conform,
)
from stillwatch.simulation import CAMPAIGNS, POPULATIONS, WORLDS, order_world, simulate


def digest(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_gives_the_same_world_on_one_process_or_two(tmp_path, tiny):
    """The seed decides every byte, whoever computes it."""
    simulate(order_world(WORLDS["tiny"], seed=3), tmp_path / "again", processes=2)

    assert digest(tmp_path / "again") == digest(tiny.folder)


def test_another_seed_gives_another_world(make_world, tiny):
    """Two seeds share no account."""
    other = make_world(seed=4)

    mine = {row["account_id"] for row in tiny.rows("accounts")}
    assert mine.isdisjoint(row["account_id"] for row in other.rows("accounts"))


@pytest.mark.parametrize(
    "schema",
    [ACCOUNTS, CREDENTIALS, EXCHANGES, MODEL_RELEASES, TRUTH_ACCOUNTS, TRUTH_EXCHANGES],
    ids=lambda schema: schema.name,
)
def test_tables_are_canonical(everyone, schema):
    """Nothing has to be cast, filled in or left out."""
    table = everyone[schema.name]

    conformed = conform(table, schema, where=schema.name)
    assert conformed.problems == ()
    assert conformed.absent == ()
    assert table.schema.names == list(schema.names)


def test_every_exchange_has_an_account_a_day_and_a_truth(everyone):
    """Ids match between the tables, and a file holds its own day."""
    exchanges = everyone["exchanges"]
    ids = exchanges["exchange_id"].to_pylist()
    accounts = {row["account_id"] for row in everyone.rows("accounts")}

    assert len(set(ids)) == len(ids)
    assert set(ids) == set(everyone["truth_exchanges"]["exchange_id"].to_pylist())
    assert set(exchanges["account_id"].to_pylist()) <= accounts
    assert accounts == set(everyone["truth_accounts"]["account_id"].to_pylist())
    for path in (everyone.folder / "exchanges").iterdir():
        days = {at.date().isoformat() for at in pq.read_table(path)["started_at"].to_pylist()}
        assert days == {path.stem}


def test_no_account_sends_before_it_opens_or_after_it_closes(everyone):
    """Accounts live between sign-up and closure, unless the closure was taken back."""
    accounts = {row["account_id"]: row for row in everyone.rows("accounts")}

    for row in everyone.rows("exchanges"):
        account = accounts[row["account_id"]]
        assert row["started_at"] >= account["created_at"]
        if account["closed_at"] and row["started_at"] >= account["closed_at"]:
            assert account["restored_at"]
            assert row["started_at"] >= account["restored_at"]


def test_credentials_belong_to_the_account_and_exist_when_used(everyone):
    """Each exchange's credential is listed, is its account's, and was issued before."""
    listed = {row["credential_id"]: row for row in everyone.rows("credentials")}

    for row in everyone.rows("exchanges"):
        credential = listed[row["credential_id"]]
        assert credential["account_id"] == row["account_id"]
        assert credential["created_at"] <= row["started_at"]


def test_everyone_lives_in_the_full_world(everyone):
    """All honest populations and all campaigns, in the accounts and in the traffic."""
    kinds = {row["account_id"]: row["population"] for row in everyone.rows("truth_accounts")}
    active = {kinds[name] for name in everyone["exchanges"]["account_id"].to_pylist()}

    assert active == set(POPULATIONS) | set(WORLDS["full"].campaigns)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_campaigns_hold_eight_per_cent_of_accounts_at_most(name):
    """In every world at its own size, over several seeds."""
    for seed in range(5):
        plans = order_world(WORLDS[name], seed=seed).cohorts
        hostile = sum(plan.size for plan in plans if plan.hostile)
        assert hostile <= 0.08 * sum(plan.size for plan in plans)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_worlds_have_about_as_many_accounts_as_they_say(name):
    """Groups that must have a least size may add a few."""
    world = WORLDS[name]

    planned = sum(plan.size for plan in order_world(world, seed=2).cohorts)
    assert abs(planned - world.accounts) <= 0.03 * world.accounts


@pytest.mark.parametrize("name", ["empty", "empty-build"])
def test_worlds_without_campaigns_collect_nothing(make_world, name):
    """No exchange is collected and no account has a role."""
    world = make_world(name, accounts=700, exchanges=2500, days=3)

    assert not any(world["truth_exchanges"]["distill"].to_pylist())
    assert set(world["truth_accounts"]["role"].to_pylist()) == {None}


def test_only_the_populations_and_campaigns_asked_for(make_world):
    """The filters replace a world's own lists."""
    world = make_world(populations=("family", "people"), campaigns=("judge_only",))

    kinds = set(world["truth_accounts"]["population"].to_pylist())
    assert kinds == {"family", "people", "judge_only"}


def test_volume_is_scaled_to_the_exchanges_asked_for(everyone):
    """The total comes within a fifth of what was asked for."""
    assert abs(everyone["exchanges"].num_rows - 14_000) < 2800


def test_halves_of_the_campaigns_are_disjoint_and_whole():
    """What one may look at while building is never what one is judged on."""
    build, held_out = set(WORLDS["build"].campaigns), set(WORLDS["held-out"].campaigns)

    assert build.isdisjoint(held_out)
    assert build | held_out == set(WORLDS["full"].campaigns)
    of_their_own = {*WORLDS["relayed"].campaigns, *WORLDS["replayed"].campaigns}
    assert build | held_out | of_their_own == set(CAMPAIGNS)


def test_honest_groups_are_named_and_single_people_are_not(everyone):
    """Accounts that belong together share a group, and only those."""
    groups = defaultdict(set)
    for row in everyone.rows("truth_accounts"):
        groups[row["population"]].add(row["honest_group"])

    assert groups["people"] == {None}
    assert groups["class"] == {f"class-{n + 1}" for n in range(len(groups["class"]))}
    assert all(None not in groups[name] for name in POPULATIONS if POPULATIONS[name].group)


def test_honest_accounts_share_cards_addresses_and_issuers(everyone):
    """A detector that takes sharing for guilt accuses honest people."""
    honest = {r["account_id"] for r in everyone.rows("truth_accounts") if r["campaign"] is None}
    cards, issuers, nets = Counter(), Counter(), defaultdict(set)
    for row in everyone.rows("accounts"):
        if row["account_id"] in honest and row["payment_token"]:
            cards[row["payment_token"]] += 1
            issuers[row["payment_bin"]] += 1
    for row in everyone.rows("exchanges"):
        if row["account_id"] in honest:
            nets[row["client_ip"]].add(row["account_id"])

    assert sum(count > 1 for count in cards.values()) > 20
    assert max(issuers.values()) > 60
    assert sum(len(accounts) > 8 for accounts in nets.values()) > 5


def test_some_honest_accounts_are_banned(everyone):
    """`banned` is history, not truth."""
    honest = {r["account_id"] for r in everyone.rows("truth_accounts") if r["campaign"] is None}

    banned = [r for r in everyone.rows("accounts") if r["status"] == "banned"]
    assert any(row["account_id"] in honest for row in banned)


def test_every_role_occurs(everyone):
    """Operators, mixed accounts of resellers, and the owners of stolen keys."""
    roles = set(everyone["truth_accounts"]["role"].to_pylist())

    assert roles == {None, *(role.value for role in Role)}


def test_earlier_answers_are_recognised_when_they_are_sent_again(tiny):
    """The digests of a conversation's earlier answers are those of the answers themselves."""
    answered = defaultdict(list)
    checked = 0
    for row in sorted(tiny.rows("exchanges"), key=lambda r: (r["started_at"], r["exchange_id"])):
        talk = row["conversation_id"]
        if talk and row["turn_index"] and answered[talk]:
            assert set(answered[talk]) <= set(row["prefix_digests"])
            checked += 1
        if talk and row["output_digest"]:
            answered[talk].append(row["output_digest"])
    assert checked > 200


def test_honest_crowds_turn_to_a_new_model_too(everyone):
    """A quick pivot alone is no sign of a campaign."""
    released = {r["model"]: r["released_at"] for r in everyone.rows("model_releases")}
    honest = Counter(
        row["model"]
        for row in everyone.joined()
        if not row["distill"] and row["started_at"] < released["aster-4-large"]
    )

    assert honest["aster-4-large"] == 0
    assert any(row["model"] == "aster-4-large" and not row["distill"] for row in everyone.joined())


def test_nothing_arrives_during_the_outage(everyone):
    """Everyone waits, and returns afterwards."""
    frame = order_world(WORLDS["full"], seed=3, days=7).frame
    begins, ends = frame.outage
    moments = everyone["exchanges"]["started_at"].cast("int64").to_pylist()

    assert not any(begins <= at < ends for at in moments)
    assert sum(ends <= at < ends + (ends - begins) // 4 for at in moments) > 20


def test_world_json_says_how_the_world_was_made(everyone):
    """Enough to make it again, and to name its corpus beside any figure."""
    facts = json.loads((everyone.folder / "world.json").read_text())

    assert facts["world"] == "full"
    assert facts["seed"] == 3
    assert facts["evasion"] == {"identity": 1, "wording": 1, "timing": 1, "cover": 1}
    assert facts["variety"] == "held_out"
    assert facts["corpus"] == "packaged"


def test_an_earlier_world_is_replaced_and_anything_else_is_not(tmp_path):
    """A folder of someone's own files is left alone."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "draft.txt").write_text("mine")
    order = order_world(WORLDS["tiny"], seed=1, accounts=60, campaigns=())

    with pytest.raises(InputError):
        simulate(order, tmp_path / "letters", processes=1)
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["draft.txt"]
    simulate(order, tmp_path / "world", processes=1)
    simulate(order, tmp_path / "world", processes=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "world"]
