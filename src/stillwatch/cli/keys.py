"""`stillwatch keys`: the key under which identifiers become tokens."""

from __future__ import annotations

from pathlib import Path

import click

from stillwatch.cli.output import emit_json, reports_errors, say
from stillwatch.records import InputError

__all__ = ["command"]

_key_file = click.option(
    "--key-file", type=click.Path(path_type=Path), help="Where the key lies or shall lie."
)
_key_command = click.option("--key-command", help="A command that prints the key.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="keys")
def command() -> None:
    """Make, show, import or rotate the key of the keyed tokens.

    Whoever has the key can test whether an identifier they know is in the lake. Keep it apart
    from the lake, and keep a copy: without it no new log fits to what is there.
    """


@command.command()
@_key_file
@_json
@reports_errors
def init(key_file: Path | None, as_json: bool) -> None:
    """Make a new random key."""
    from stillwatch.identity import create_key

    path = _file_to_write(key_file)
    _tell("Made", create_key(path).fingerprint, str(path), as_json=as_json)
    say("Keep a copy of it in a safe place, apart from the lake.")
    say("Next: `stillwatch import --detect FILE`, which says what format a log has.")


@command.command()
@_key_file
@_key_command
@_json
@reports_errors
def show(key_file: Path | None, key_command: str | None, as_json: bool) -> None:
    """Print the key's fingerprint and where it lies; never the key."""
    from stillwatch.identity import KeySource

    source = KeySource.chosen(file=key_file, command=key_command)
    _tell("This is", source.read().fingerprint, source.place, as_json=as_json)


@command.command(name="import")
@click.argument("source", type=click.Path(allow_dash=True))
@_key_file
@_json
@reports_errors
def import_key(source: str, key_file: Path | None, as_json: bool) -> None:
    """Keep a key made elsewhere: hexadecimal or base64 in a file, `-` for standard input.

    A key that is here already is replaced only by itself as it is after a rotation.
    """
    from stillwatch.identity import MOST_KEY_BYTES, decode_key, store_key

    with click.open_file(source, "rb") as file:
        text = file.read(MOST_KEY_BYTES).decode("ascii", "replace")
    key = decode_key(text, where="standard input" if source == "-" else source)
    path = _file_to_write(key_file)
    store_key(key, path)
    _tell("Kept", key.fingerprint, str(path), as_json=as_json)


@command.command(name="export-gateway")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@_key_file
@_key_command
@_json
@reports_errors
def export_gateway(
    target: Path, key_file: Path | None, key_command: str | None, as_json: bool
) -> None:
    """Write what a gateway in another region needs to know its customers again, and no more.

    Whoever takes FILE can test keys and account names that they guess, and no card, phone, address
    or message. After a rotation of the key it must be made anew.
    """
    from stillwatch.identity import GatewayKeys, KeySource

    key = KeySource.chosen(file=key_file, command=key_command).read()
    GatewayKeys.of(key).write(target)
    _tell("Kept what gateways need of", key.fingerprint, str(target), as_json=as_json)


@command.command()
@click.option(
    "--lake",
    "lakes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A lake to bring to the new key; may be repeated.",
)
@click.option(
    "--finish",
    is_flag=True,
    help="Make no new key; bring lakes that are under an earlier one to the newest.",
)
@_key_file
@_key_command
@_json
@reports_errors
def rotate(
    lakes: tuple[Path, ...],
    finish: bool,
    key_file: Path | None,
    key_command: str | None,
    as_json: bool,
) -> None:
    """Make a new key that follows from the old, and bring lakes to it.

    The file keeps the old secrets: an identifier goes through all of them, so an account seen
    before and after is one account. Each lake is written anew whole or not at all, and the key
    before anything else: whatever is killed, a lake and the file agree. Give copies of the
    new file to the other machines.
    """
    from stillwatch.identity import KeySource, rotate_key
    from stillwatch.lake.rotation import key_then, rotate_lake

    source = KeySource.chosen(file=key_file, command=key_command)
    if not finish:
        if source.file is None:
            raise InputError(
                "the key comes from a command here, and no command of ours can keep a new one.",
                where="the key command",
                remedy="Put it into a file, rotate that with --key-file, keep the file's content "
                "where the command finds it, and bring your lakes to it with --finish.",
            )
        present = source.read()
        for lake in lakes:
            key_then(lake, present)  # refuse before a new key is made
        key = rotate_key(source.file)
        say(
            f"Made the key {key.fingerprint}, which follows from the one before, in {source.place}."
        )
    elif lakes:
        key = source.read()
    else:
        raise InputError("no lake was named.", where="--finish", remedy="Name it with --lake.")
    done = {}
    for lake in lakes:
        done[str(lake)] = rotate_lake(lake, key)
        say(f"{lake}: {done[str(lake)].rows:,} rows have tokens of the key {key.fingerprint} now.")
    if as_json:
        emit_json(
            {
                "fingerprint": key.fingerprint,
                "place": source.place,
                "lakes": [
                    {"lake": lake, "before": r.before, "files": r.files, "rows": r.rows}
                    for lake, r in done.items()
                ],
            }
        )
    if not finish:
        say("Bring the new file to every machine that imports, and keep a copy of it.")
        say("Other lakes under this key: `stillwatch keys rotate --finish --lake DIR`.")
    if lakes:
        say("Findings of earlier scans keep their old tokens: scan again.")


def _file_to_write(key_file: Path | None) -> Path:
    from stillwatch.identity import KeySource

    path = KeySource.chosen(file=key_file).file
    if path is None:
        raise InputError(
            "the key comes from a command here, so it is not a file of ours.",
            where="STILLWATCH__KEYS__COMMAND",
            remedy="Name a file with --key-file.",
        )
    return path


def _tell(verb: str, fingerprint: str, place: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"fingerprint": fingerprint, "place": place})
    say(f"{verb} the key {fingerprint}, in {place}.")
