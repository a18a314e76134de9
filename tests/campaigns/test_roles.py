"""How an account takes part: operator, mixed or compromised."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted_logs import DAY, JUDGE, START, VOCABULARY, LogBook, planted
from stillwatch.campaigns.roles import DAY as DAY_US
from stillwatch.campaigns.roles import MemberTraffic, Place, reason_for, role_of, roles_of
from stillwatch.records import Role

FIRST = 1_000 * DAY_US


def place(others: int, *, serving: int = 0, first: int = FIRST) -> Place:
    """A network or client: what serves there, what does not, and since when."""
    return Place(others + serving, serving, first if others else None)


POOL, SDK = place(0, serving=30), place(10, serving=30)


def member(*, others: int = 10, **changes: object) -> MemberTraffic:
    """Thirty exchanges for the campaign through its pool, and others from home since then."""
    facts = {
        "campaign_id": "C",
        "account_id": "a",
        "exchanges": 30 + others,
        "serving": 30,
        "serving_tokens": 900,
        "first_serving": FIRST,
        "last_serving": FIRST + 3 * DAY_US,
        "other_end_users": 0,
        "credentials": ["key"],
        "networks": [POOL, place(others)],
        "clients": [place(others, serving=30)],
    }
    return MemberTraffic(**facts | changes)


def at_home(since: int, others: int = 10, **changes: object) -> MemberTraffic:
    """One whose other exchanges came from another network since that moment."""
    return member(others=others, networks=[POOL, place(others, first=since)], **changes)


def test_an_account_with_an_earlier_life_elsewhere_is_compromised() -> None:
    """Exchanges a day before it first served, from networks that the campaign never used."""
    assert role_of(at_home(FIRST - DAY_US), 0) is Role.COMPROMISED
    assert role_of(at_home(FIRST - DAY_US + 1), 0) is Role.OPERATOR


def test_whoever_was_opened_with_an_operators_card_was_not_stolen() -> None:
    """One shares a card with an operator, one with that one, and the card of the third is its own."""
    stolen = member(networks=[POOL, place(10, first=FIRST - 9 * DAY_US)], clients=[SDK])
    operator = member(others=0, networks=[POOL], clients=[place(0, serving=30)])
    assert role_of(stolen, 0) == Role.COMPROMISED
    members, held = [operator, stolen, stolen, stolen], [{1}, {1, 2}, {2}, {3}]

    roles = roles_of(
        [*members, operator, operator],
        [0] * 6,
        [*map(frozenset, held), frozenset(), frozenset()],
    )

    assert roles[:4] == [Role.OPERATOR, Role.OPERATOR, Role.OPERATOR, Role.COMPROMISED]


def test_a_role_that_speaks_for_the_owner_says_why() -> None:
    """An operator's is what the whole finding says."""
    other = member(others=12)

    assert "12 of its 42 exchanges are its owner's own" in reason_for(other, Role.COMPROMISED)
    assert "12 of its 42 exchanges serve others" in reason_for(other, Role.MIXED)
    assert reason_for(other, Role.OPERATOR) == ""


@pytest.mark.parametrize(("days", "role"), [(29, Role.OPERATOR), (30, Role.COMPROMISED)])
def test_an_old_account_has_an_earlier_life(days: int, role: Role) -> None:
    """A sign-up a month before it first served is one; an unknown sign-up is not."""
    assert role_of(member(), FIRST - days * DAY_US) is role
    assert role_of(member(), 0) is Role.OPERATOR


def test_what_the_attribution_missed_hides_no_owner() -> None:
    """A third of the rest left by the campaign's pool and software, and one of home's serves."""
    places = [place(5, serving=29), place(10, serving=1, first=FIRST - 9 * DAY_US)]

    assert role_of(member(others=15, networks=places, clients=places), 0) is Role.COMPROMISED
    assert role_of(member(others=15, networks=places), 0) is Role.OPERATOR


def test_whoever_collects_from_where_he_sits_is_the_owner() -> None:
    """Both networks carry both kinds of exchanges, in like parts."""
    networks = [place(5, serving=15, first=FIRST - 9 * DAY_US)] * 2

    assert role_of(member(networks=networks), 0) is Role.OPERATOR


def test_an_operator_who_changes_networks_all_the_time_is_no_victim() -> None:
    """Cover and work leave by forty networks, each seldom used: some saw cover alone by chance."""
    networks = [place(0, serving=1)] * 26 + [place(3, first=FIRST - 9 * DAY_US)] + [place(1)] * 7

    assert role_of(member(networks=networks), 0) is Role.OPERATOR


def test_unknown_networks_excuse_nobody() -> None:
    """Without networks, or with those of one side alone, nothing says that another used the key."""
    for networks in ([], [POOL], [place(10, first=FIRST - 9 * DAY_US)]):
        assert role_of(member(networks=networks), 0) is Role.OPERATOR


def test_without_networks_software_tells_the_owner() -> None:
    """The owner's editor was there before; one software for all tells nothing."""
    since = FIRST - 9 * DAY_US
    owned = member(networks=[], clients=[POOL, place(10, first=since)])
    alike = member(networks=[], clients=[place(10, serving=30, first=since)])

    assert role_of(owned, 0) is Role.COMPROMISED
    assert role_of(alike, 0) is Role.OPERATOR


@pytest.mark.parametrize(("users", "role"), [(2, Role.OPERATOR), (3, Role.MIXED)])
def test_three_end_users_beside_the_campaign_make_a_reseller(users: int, role: Role) -> None:
    """More than one person's own cover."""
    assert role_of(member(networks=[SDK], other_end_users=users), 0) is role


def test_one_stray_exchange_is_no_life() -> None:
    """An operator could send it from anywhere; two, from before, are somebody's."""
    assert role_of(at_home(FIRST - 9 * DAY_US, others=1), 0) is Role.OPERATOR
    assert role_of(at_home(FIRST - 9 * DAY_US, others=2), 0) is Role.COMPROMISED


@pytest.mark.parametrize(
    ("clients", "others", "role"),
    [
        ([POOL, place(5)], 5, Role.MIXED),
        ([POOL, place(4)], 4, Role.OPERATOR),
        ([place(5, serving=30)], 5, Role.OPERATOR),
        ([place(2, serving=15), place(3, serving=15)], 5, Role.OPERATOR),
        ([], 5, Role.OPERATOR),
    ],
)
def test_software_that_the_campaign_never_uses_serves_others(
    clients: list[Place], others: int, role: Role
) -> None:
    """A reseller's gateway; cover for show leaves by the campaign's own software."""
    resold = member(others=others, networks=[SDK], clients=clients)

    assert role_of(resold, 0) is role


def test_a_stolen_key_of_a_reseller_is_stolen() -> None:
    """Where both fit, the account is not called a server of the campaign."""
    assert role_of(at_home(FIRST - DAY_US, other_end_users=9), 0) is Role.COMPROMISED


@pytest.mark.parametrize(
    ("stolen", "others", "role"),
    [
        (2, {"clients": [POOL, place(10)]}, Role.COMPROMISED),
        (1, {"clients": [POOL, place(10)]}, Role.MIXED),
        (2, {"clients": [SDK]}, Role.OPERATOR),
        (2, {"clients": [POOL, place(10)], "networks": [SDK]}, Role.MIXED),
    ],
    ids=["most are stolen", "half are", "same software", "same network"],
)
def test_among_stolen_keys_a_young_account_with_a_life_elsewhere_is_stolen(
    stolen: int, others: dict[str, object], role: Role
) -> None:
    """It began when the campaign did, and is used from elsewhere by other software."""
    young = member(**others)
    old = at_home(FIRST - 9 * DAY_US)
    company = [old] * stolen + [member(others=0, networks=[POOL])] * (2 - stolen)

    assert roles_of([*company, young], [0, 0, 0])[-1] is role


@given(st.integers(0, 10**15), st.integers(0, 50))
def test_an_account_that_only_serves_is_an_operator(created: int, users: int) -> None:
    """No other exchanges, no other life."""
    assert role_of(member(others=0, networks=[POOL], other_end_users=users), created) is (
        Role.OPERATOR
    )


def test_the_share_is_what_serves() -> None:
    """Thirty of forty."""
    assert member().share == 0.75


def with_three_kinds_of_members() -> tuple[LogBook, dict[str, set[str]]]:
    """A campaign of hired accounts, resellers and stolen keys."""
    book, workers = planted(6)
    for row in book.exchanges:
        if row["account_id"] in workers:
            row |= {"client_net_token": f"proxy-{row['account_id']}", "credential_id": "hired"}
    for row in book.accounts:
        if row["account_id"] in workers:
            row["created_at"] = START - 10 * DAY
    resellers, stolen = workers[:3], workers[3:6]
    for row in book.accounts:
        if row["account_id"] in stolen:
            row["payment_token"] = f"own-card-{row['account_id']}"

    def other(account: str, day: int, **changes: object) -> None:
        text = " ".join(book.rng.sample(VOCABULARY, 12))
        book.exchange(account, text, book.moment(day), **changes)

    for account in resellers:
        for number in range(8):
            network = f"proxy-{account}"
            other(
                account, number % 6, end_user_token=f"{account}-{number}", client_net_token=network
            )
    for account in stolen:
        for number in range(8):
            # The owner was there before; the campaign's exchanges with it begin on day 2.
            other(account, number % 6, client_net_token=f"home-{account}", credential_id="own")
    book.exchanges = [
        e
        for e in book.exchanges
        if not (
            e["account_id"] in stolen
            and e["credential_id"] == "hired"
            and e["started_at"] < START + 2 * DAY
        )
    ]
    return book, {
        "mixed": set(resellers),
        "compromised": set(stolen),
        "operator": set(workers[6:]),
    }


def test_a_scan_tells_the_three_apart_and_names_the_keys(tmp_path: Path) -> None:
    """Roles, shares and credentials come from what each account's traffic shows."""
    book, expected = with_three_kinds_of_members()
    members = book.scan(tmp_path).members.to_pylist()

    assert {r: {m["account_id"] for m in members if m["role"] == r} for r in expected} == expected
    for row in members:
        own = [e for e in book.exchanges if e["account_id"] == row["account_id"]]
        serving = [e for e in own if e["credential_id"] == "hired"]
        assert row["share"] == pytest.approx(len(serving) / len(own))
        assert row["credential_ids"] == ["hired"]
        said = any(reason["signal"] == "role" for reason in row["reasons"])
        assert said == (row["role"] != "operator")


def test_one_misattributed_exchange_decides_no_role(tmp_path: Path) -> None:
    """An owner's exchange that reads like the campaign's does not make the owner an operator."""
    book, expected = with_three_kinds_of_members()
    for account in expected["compromised"]:
        book.exchange(
            account,
            JUDGE.format(" ".join(book.rng.sample(VOCABULARY, 14))),
            START + 5 * DAY,
            client_net_token=f"home-{account}",
            credential_id="own",
        )
    members = book.scan(tmp_path).members.to_pylist()

    found = {m["account_id"] for m in members if m["role"] == "compromised"}
    assert found == expected["compromised"]
