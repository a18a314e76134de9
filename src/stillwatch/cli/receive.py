"""`stillwatch receive`: exchanges over the network into a lake."""

from __future__ import annotations

from pathlib import Path

import click

from stillwatch.cli.listeners import require_both_of_tls, require_server
from stillwatch.cli.output import amount, reports_errors, say
from stillwatch.records import StillwatchError

__all__ = ["command"]

_path = click.Path(path_type=Path)


@click.command(name="receive")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where; port 0 is any free one.")
@click.option(
    "--lake",
    "lake_path",
    required=True,
    type=_path,
    help="The lake's folder; made if it is not there.",
)
@click.option("--tokens", type=_path, help="The file of senders' tokens; see `stillwatch senders`.")
@click.option("--tls-cert", type=_path, help="Our certificate and its chain, PEM.")
@click.option("--tls-key", type=_path, help="Its private key, PEM.")
@click.option(
    "--client-ca",
    type=_path,
    help="Who signs senders' certificates, PEM; without --tokens their common name is the source.",
)
@click.option(
    "--source", help="The source of what comes in without token and certificate, on loopback."
)
@click.option(
    "--fold-seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="How long what was acknowledged waits for the lake.",
)
@click.option(
    "--settle-seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="How long the spans and events of one model call may come apart.",
)
@click.option(
    "--spool-rows",
    default=2_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many exchanges may wait for the lake before senders are told to wait.",
)
@click.option(
    "--spool-mb",
    default=4_096,
    show_default=True,
    type=click.IntRange(min=1),
    help="The same, in MiB on the disk.",
)
@click.option(
    "--body-mb",
    default=16,
    show_default=True,
    type=click.IntRange(min=1),
    help="Largest body of a request as it is sent, in MiB.",
)
@click.option(
    "--unpacked-mb",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="What a body may unpack to, in MiB.",
)
@click.option(
    "--body-rows",
    default=20_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most exchanges, spans or log records of one request.",
)
@click.option("--key-file", type=_path, help="The key of the tokens.")
@click.option("--key-command", help="A command that prints the key.")
@reports_errors
def command(
    listen: str,
    lake_path: Path,
    tokens: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    source: str | None,
    fold_seconds: float,
    settle_seconds: float,
    spool_rows: int,
    spool_mb: int,
    body_mb: int,
    unpacked_mb: int,
    body_rows: int,
    key_file: Path | None,
    key_command: str | None,
) -> None:
    """Receive exchanges over HTTP: OTLP, LiteLLM's callback, canonical JSON lines.

    What is acknowledged is on the disk. It is in the lake within --fold-seconds, and when the
    command ends. Without TLS and authentication only loopback is listened on. SIGTERM and Ctrl-C
    end it: it stops listening, folds what waits into the lake, and exits with 0.
    """
    require_server("receive", "receiving", "receiver")
    from stillwatch.cli.key_of_lake import key_of_lake
    from stillwatch.identity import KeySource
    from stillwatch.listening.senders import DEFAULT_SOURCE, Senders, checked_source
    from stillwatch.listening.sockets import Security
    from stillwatch.receiver.limits import ReceiverLimits
    from stillwatch.receiver.serving import Receiver
    from stillwatch.sources.limits import Limits

    require_both_of_tls(tls_cert, tls_key)
    receiver = Receiver(
        address=listen,
        lake=lake_path,
        key=key_of_lake(KeySource.chosen(file=key_file, command=key_command), lake_path),
        security=Security(
            Senders(tokens) if tokens is not None else None, tls_cert, tls_key, client_ca
        ),
        limits=ReceiverLimits(
            body_mb=body_mb,
            unpacked_mb=unpacked_mb,
            rows=body_rows,
            spool_rows=spool_rows,
            spool_mb=spool_mb,
            common=Limits.configured(),
        ),
        say=say,
        source=checked_source(source, where="--source") if source else DEFAULT_SOURCE,
        fold_seconds=fold_seconds,
        settle_seconds=settle_seconds,
    )
    left = receiver.run()
    if left.rows:
        raise StillwatchError(
            f"{amount(left.rows, 'exchange')} could not be folded into the lake.",
            where=str(lake_path),
            remedy="They stay in the spool, and are folded when a receiver is started again.",
        )
    say("Stopped. All that was acknowledged is in the lake.")
