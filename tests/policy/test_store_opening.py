"""Opening a store: made, brought up to date, refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from made_actions import NOW, PASSWORD

import stillwatch.policy.store.migrations as migrations
from stillwatch.policy.store import PrincipalRole, Store, default_url
from stillwatch.policy.store.schema import METADATA
from stillwatch.policy.store.store import StoreAwayError
from stillwatch.records import InputError


def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    """A column that was added in one place only is found here."""
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = compare_metadata(context, METADATA)
    # Comments are for those who read the code; no migration is written for a word.
    flat = [one for some in found for one in (some if isinstance(some, list) else [some])]
    assert [one for one in flat if "comment" not in one[0]] == []


def test_the_latest_revision_is_the_last_file() -> None:
    """Whoever adds a migration names it."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [migrations.LATEST]


def test_a_store_of_a_newer_version_is_refused(store: Store, store_url: str) -> None:
    """And is left as it is."""
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match="newer version"):
        Store.open(store_url)


def test_a_store_opened_again_is_as_it_was(store: Store, store_url: str) -> None:
    """Opening changes nothing where nothing is to be changed."""
    with Store.open(store_url) as again:
        assert again.sequence() == 0
        assert list(again.audit.records()) == []


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Database and journal have mode 0600."""
    with Store.open(default_url(tmp_path)) as store, store.writing():
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob("store.sqlite*")}
    assert "store.sqlite" in modes
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite://", "mysql://x/y", "sqlite:////nowhere/at/all/store.sqlite"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """With words that say what to give."""
    with pytest.raises(InputError):
        Store.open(url)


def test_no_store_is_made_by_looking(tmp_path: Path) -> None:
    """Whoever only reads gets an error, and no empty file."""
    with pytest.raises(InputError, match="no store here"):
        Store.open(default_url(tmp_path), is_made=False)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    """Without its password."""
    with pytest.raises(StoreAwayError) as caught:
        Store.open("postgresql+psycopg://me:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)


def test_the_audit_log_takes_no_change(store: Store) -> None:
    """Not by SQL either."""

    store.people.add("root", [PrincipalRole.ADMINISTRATOR], PASSWORD, by=None, now=NOW)
    for statement in ("UPDATE audit SET kind = 'x'", "DELETE FROM audit"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.writing() as connection:
            connection.exec_driver_sql(statement)
    assert len(list(store.audit.records())) == 2
