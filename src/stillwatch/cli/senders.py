"""`stillwatch senders`: the tokens with which logs are sent to `stillwatch receive`."""

from __future__ import annotations

from pathlib import Path

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.records import InputError

__all__ = ["command"]

_tokens = click.option(
    "--tokens", required=True, type=click.Path(path_type=Path), help="The file of tokens."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="senders")
def command() -> None:
    """Add, list or remove the senders of `stillwatch receive`.

    Each token is bound to the name of a source: accounts and exchanges that come with it are stored
    under that name, whatever the sender says. The file keeps hashes of tokens, never a token. A
    receiver that runs takes a change within a second.
    """


@command.command()
@click.argument("source")
@_tokens
@_json
@reports_errors
def add(source: str, tokens: Path, as_json: bool) -> None:
    """Make a token for SOURCE and print it; it cannot be read again later."""
    from stillwatch.listening.senders import add_sender

    token = add_sender(tokens, source)
    if as_json:
        emit_json({"source": source, "token": token})
    else:
        click.echo(token)
    say("Send it as `Authorization: Bearer TOKEN`. Only its hash is kept.")


@command.command(name="list")
@_tokens
@_json
@reports_errors
def list_(tokens: Path, as_json: bool) -> None:
    """List the sources and how many tokens each has."""
    from stillwatch.listening.senders import sources_of

    found = sources_of(tokens)
    if as_json:
        emit_json({"sources": found})
        return
    for source, count in sorted(found.items()):
        click.echo(f"{source}\t{count}")


@command.command()
@click.argument("source")
@_tokens
@_json
@reports_errors
def remove(source: str, tokens: Path, as_json: bool) -> None:
    """Take away all tokens of SOURCE. What it sent stays in the lake."""
    from stillwatch.listening.senders import remove_sender

    removed = remove_sender(tokens, source)
    if not removed:
        raise InputError(
            "no token is bound to this source.",
            where=source,
            remedy="See `stillwatch senders list`.",
        )
    if as_json:
        emit_json({"source": source, "removed": removed})
    say(f"{amount(removed, 'token')} removed.")
