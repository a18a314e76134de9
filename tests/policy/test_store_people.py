"""Who may decide: people, their roles and their tokens."""

from __future__ import annotations

import pytest
from made_actions import NOW, PASSWORD

from stillwatch.policy.store import Principal, PrincipalRole, Store
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.records import InputError

ADMINISTRATOR = [PrincipalRole.ADMINISTRATOR]


def first(store: Store) -> Principal:
    token = store.people.add("root", ADMINISTRATOR, PASSWORD, by=None, now=NOW)
    return store.people.authenticate(token)


def test_the_first_person_must_be_an_administrator(store: Store) -> None:
    """Nobody starts a store as something less, for then nobody could make others."""
    with pytest.raises(InputError, match="administrator"):
        store.people.add("ada", [PrincipalRole.APPROVER], PASSWORD, by=None, now=NOW)
    assert first(store).may(PrincipalRole.ADMINISTRATOR)


def test_after_the_first_only_an_administrator_makes_people(store: Store) -> None:
    """Neither nobody nor an approver makes somebody."""
    root = first(store)
    token = store.people.add("ada", [PrincipalRole.APPROVER], PASSWORD, by=root, now=NOW)
    ada = store.people.authenticate(token)
    for by in (None, ada):
        with pytest.raises(NotAllowedError):
            store.people.add("eve", [PrincipalRole.APPROVER], PASSWORD, by=by, now=NOW)
    assert [person.name for person in store.people.listed()] == ["ada", "root"]


def test_a_token_is_known_and_nothing_else_is(store: Store) -> None:
    """An unknown token, an empty one and the name itself are nobody's."""
    first(store)
    for token in ("", "root", "swt_" + "a" * 43):
        with pytest.raises(NotAllowedError):
            store.people.authenticate(token)


def test_a_new_token_ends_the_earlier_one(store: Store) -> None:
    """Whoever found the old token has nothing."""
    old = store.people.add("root", ADMINISTRATOR, PASSWORD, by=None, now=NOW)
    root = store.people.authenticate(old)
    new = store.people.new_token("root", by=root, now=NOW)
    assert store.people.authenticate(new).name == "root"
    with pytest.raises(NotAllowedError):
        store.people.authenticate(old)


def test_somebody_disabled_has_no_token_any_more(store: Store) -> None:
    """And their name stays on record, so that nobody takes it."""
    root = first(store)
    token = store.people.add("ada", [PrincipalRole.ANALYST], PASSWORD, by=root, now=NOW)
    store.people.disable("ada", by=root, now=NOW)
    with pytest.raises(NotAllowedError):
        store.people.authenticate(token)
    with pytest.raises(InputError, match="of this name"):
        store.people.add("ada", [PrincipalRole.ANALYST], PASSWORD, by=root, now=NOW)


def test_the_last_administrator_stays(store: Store) -> None:
    """A store in which nobody makes people would be lost."""
    root = first(store)
    with pytest.raises(InputError, match="last administrator"):
        store.people.disable("root", by=root, now=NOW)


@pytest.mark.parametrize("name", ["", "system:policy", "Ada", "a b", "x" * 65])
def test_a_name_is_plain(store: Store, name: str) -> None:
    """Nobody takes the name of a part of the system, or one that looks like another."""
    with pytest.raises(InputError, match="cannot be a name"):
        store.people.add(name, ADMINISTRATOR, PASSWORD, by=None, now=NOW)


def test_a_short_password_is_refused(store: Store) -> None:
    """There is no default one, and no weak one."""
    with pytest.raises(InputError, match="shorter"):
        store.people.add("root", ADMINISTRATOR, "short", by=None, now=NOW)


def test_a_password_opens_only_its_own_name(store: Store) -> None:
    """A wrong password and an unknown name are answered alike."""
    first(store)
    assert store.people.with_password("root", PASSWORD).name == "root"
    for name, password in (("root", PASSWORD + "!"), ("nobody", PASSWORD)):
        with pytest.raises(NotAllowedError, match="do not belong together"):
            store.people.with_password(name, password)


def test_no_role_includes_more_than_it_says() -> None:
    """An administrator approves nothing, and an analyst makes nobody."""
    administrator = Principal("root", frozenset(ADMINISTRATOR))
    analyst = Principal("ann", frozenset({PrincipalRole.ANALYST}))
    assert not administrator.may(PrincipalRole.APPROVER)
    assert not administrator.may(PrincipalRole.ANALYST)
    assert not analyst.may(PrincipalRole.APPROVER)
    assert not analyst.may(PrincipalRole.ADMINISTRATOR)
    assert analyst.may(PrincipalRole.VIEWER)
    assert not Principal.system("policy").may(PrincipalRole.APPROVER)


def test_secrets_are_kept_as_hashes(store: Store) -> None:
    """Neither a token nor a password can be read from the database or the record."""
    token = store.people.add("root", ADMINISTRATOR, PASSWORD, by=None, now=NOW)
    with store.reading() as connection:
        for table in ("people", "tokens", "audit"):
            content = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
            assert token not in content
            assert PASSWORD not in content
