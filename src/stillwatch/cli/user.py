"""`stillwatch user`: who may look, decide and approve."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options_without_key
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.who_asks import given_token, signed_in, token_option
from stillwatch.records import InputError
from stillwatch.records.private_lines import read_private_line

if TYPE_CHECKING:
    from stillwatch.policy.store import Principal, Store

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_ROLES = click.Choice(["viewer", "analyst", "approver", "administrator"])

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="user")
def command() -> None:
    """Make, list and disable people, and give them tokens.

    A viewer looks, an analyst proposes steps and decides appeals, an approver approves what somebody
    else proposed, applies policies and rolls back, an administrator makes people and nothing else.
    The first person is an administrator, whom nobody makes. The user of the operating system is no
    identity: commands know people by a token, in the environment as STILLWATCH_TOKEN or in a file.
    """


@command.command()
@click.argument("name")
@click.option("--role", "roles", type=_ROLES, multiple=True, required=True, help="May be repeated.")
@click.option(
    "--password-file",
    type=_FILE,
    help="A file (mode 0600) with the new password. Default: it is asked for.",
)
@token_option
@store_options_without_key
@_json
@reports_errors
def add(
    name: str,
    roles: tuple[str, ...],
    password_file: Path | None,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Make a person and print their token for the command line; it cannot be read again.

    The password is for the console. There is no default one.
    """
    from stillwatch.policy.store import PrincipalRole

    with at.opened(is_made=True) as opened:
        by = _maker(opened, token_file)
        token = opened.people.add(
            name,
            [PrincipalRole(role) for role in roles],
            _password(password_file),
            by=by,
            now=datetime.now(UTC),
        )
    _print_token(name, token, as_json, roles=sorted(set(roles)))


@command.command()
@click.argument("name")
@token_option
@store_options_without_key
@_json
@reports_errors
def token(name: str, token_file: Path | None, at: ChosenStore, as_json: bool) -> None:
    """Make a new token for NAME and print it; the earlier ones end.

    Everybody may do so for themselves, and an administrator for others.
    """
    with at.opened() as opened:
        by = signed_in(opened, token_file)
        made = opened.people.new_token(name, by=by, now=datetime.now(UTC))
    _print_token(name, made, as_json)


@command.command()
@click.argument("name")
@token_option
@store_options_without_key
@_json
@reports_errors
def disable(name: str, token_file: Path | None, at: ChosenStore, as_json: bool) -> None:
    """Take everything from NAME. What they did stays on record, and their name with it."""
    with at.opened() as opened:
        by = signed_in(opened, token_file)
        opened.people.disable(name, by=by, now=datetime.now(UTC))
    if as_json:
        emit_json({"name": name, "disabled": True})
    say(f"{name} may do nothing any more.")


@command.command(name="list")
@token_option
@store_options_without_key
@_json
@reports_errors
def list_(token_file: Path | None, at: ChosenStore, as_json: bool) -> None:
    """List everybody, with their roles."""
    from stillwatch.policy.store import PrincipalRole

    with at.opened() as opened:
        signed_in(opened, token_file).require(PrincipalRole.VIEWER)
        found = opened.people.listed()
    if as_json:
        told: list[dict[str, Any]] = [
            {
                "name": person.name,
                "roles": list(person.roles),
                "created_at": person.created_at,
                "disabled_at": person.disabled_at,
                "tokens": person.tokens,
            }
            for person in found
        ]
        emit_json({"people": told})
        return
    for person in found:
        state = "disabled" if person.disabled_at else ", ".join(person.roles)
        click.echo(f"{person.name}\t{state}")
    say(f"{amount(len(found), 'name')}.")


def _maker(store: Store, token_file: Path | None) -> Principal | None:
    """Who makes somebody: whose token was given; of the first person, nobody."""
    if not store.people.listed():
        return None  # a token of another store, that the shell still has, is no reason to fail
    return signed_in(store, token_file) if given_token(token_file) is not None else None


def _password(file: Path | None) -> str:
    if file is not None:
        return read_private_line(file, "password")
    if not sys.stdin.isatty():
        raise InputError(
            "nobody is here to be asked for the password.",
            where="--password-file",
            remedy="Put it in a file (mode 0600), and name that.",
        )
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _print_token(name: str, token: str, as_json: bool, **more: Any) -> None:
    if as_json:
        emit_json({"name": name, **more, "token": token})
    else:
        click.echo(token)
    say(f"The token of {name}, for STILLWATCH_TOKEN or --token-file. Only its hash is kept.")
