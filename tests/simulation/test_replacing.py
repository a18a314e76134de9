"""Accounts that take the places of blocked ones look like the campaign's, and like none before."""

from __future__ import annotations

from collections import Counter

from stillwatch.evaluation.defence.reacting import Attempt, Planned
from stillwatch.evaluation.defence.replacing import Replacements, as_sent, face_of
from stillwatch.records import Role
from stillwatch.simulation.frame import DAY, HOUR, Frame, moment

_LABEL = "synchronised:Amber Heron"
_AT = Frame(seed=3, days=7).start + 3 * DAY


def _opened(world, count):
    replacements = Replacements.of_world(world.folder, _LABEL)
    names = [replacements.open(_AT + n * HOUR) for n in range(count)]
    return replacements, names


def test_replacements_are_accounts_nobody_has_seen(tiny) -> None:
    """New accounts, credentials and cards; and the truth knows whose they are."""
    replacements, names = _opened(tiny, 12)
    known = tiny.rows("accounts")

    accounts = replacements.accounts()
    credentials = replacements.credentials()

    assert [a.account_id for a in accounts] == names
    assert {c.account_id for c in credentials} == set(names)
    for column in ("account_id", "payment_token", "email_token"):
        before = {row[column] for row in known} - {None}
        assert not before & {getattr(a, column) for a in accounts}
    assert {(t.campaign, t.role) for t in replacements.truth()} == {(_LABEL, Role.OPERATOR)}


def test_they_share_as_much_as_those_before(tiny) -> None:
    """At the first level of the identity dial, a card in each pool of five."""
    replacements, _ = _opened(tiny, 10)

    cards = Counter(a.payment_token for a in replacements.accounts())

    assert sorted(cards.values()) == [5, 5]


def test_they_are_there_before_they_work(tiny) -> None:
    """Nobody sends before the account was opened."""
    replacements, names = _opened(tiny, 6)

    created = {a.account_id: a.created_at for a in replacements.accounts()}

    assert all(created[name] <= moment(_AT + n * HOUR) for n, name in enumerate(names))


def test_the_same_world_gives_the_same_replacements(tiny) -> None:
    """Card for card."""
    assert _opened(tiny, 7)[0].accounts() == _opened(tiny, 7)[0].accounts()


def test_a_request_that_is_not_moved_is_sent_as_it_was(tiny) -> None:
    """At its time, from its account, with all that belongs to it."""
    row = tiny.rows("exchanges")[0]
    at = round(row["started_at"].timestamp() * 1e6)
    attempt = Attempt(Planned(0, row["account_id"], at, True), row["account_id"], at)

    assert as_sent(row, attempt, face_of([row])) == row


def test_a_moved_request_shows_its_sender_and_nothing_of_who_had_it_before(tiny) -> None:
    """The same words, from the new account's key, places and software, begun anew."""
    replacements, (name,) = _opened(tiny, 1)
    row = next(r for r in tiny.rows("exchanges") if r["conversation_id"])
    attempt = Attempt(Planned(0, row["account_id"], 0, True), name, _AT)

    sent = as_sent(row, attempt, replacements.faces[name])

    (credential,) = replacements.credentials()
    assert (sent["account_id"], sent["credential_id"]) == (name, credential.credential_id)
    assert sent["input_text"] == row["input_text"]
    assert sent["started_at"] == moment(_AT)
    assert sent["finished_at"] - sent["started_at"] == row["finished_at"] - row["started_at"]
    assert sent["conversation_id"] != row["conversation_id"]
    assert not sent["turn_index"]
    assert sent["prefix_digests"] is None
