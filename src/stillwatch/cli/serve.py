"""`stillwatch serve`: decisions for gateways."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.listeners import require_both_of_tls, require_server
from stillwatch.cli.output import reports_errors, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.enforcement.appeals_serving import AppealsListener
    from stillwatch.enforcement.counters import Counters
    from stillwatch.enforcement.identifying import IdentitySettings
    from stillwatch.enforcement.snapshot_sources import FetchedSnapshots, StoredSnapshots

__all__ = ["command"]

_path = click.Path(path_type=Path)


@click.command(name="serve")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where; port 0 is any free one.")
@click.option("--lake", "lake_path", type=_path, help="The lake's folder.")
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="sqlite:///PATH or postgresql+psycopg://…; by default SQLite in the lake's folder.",
)
@click.option("--key-file", type=_path, help="The key of the tokens.")
@click.option("--key-command", help="A command that prints the key.")
@click.option(
    "--state",
    "state",
    type=_path,
    help="The folder of the snapshot and of the key that signs it; by default in the lake's folder.",
)
@click.option(
    "--snapshot-url",
    metavar="URL",
    help="Fetch snapshots from another server, in place of a lake and a store.",
)
@click.option("--snapshot-token-file", type=_path, help="Our token for that server (mode 0600).")
@click.option("--snapshot-ca", type=_path, help="Who signs that server's certificate, PEM.")
@click.option("--verify-key", type=_path, help="That server's signing-key.pem.pub.")
@click.option("--gateway-keys", type=_path, help="Made by `stillwatch keys export-gateway`.")
@click.option(
    "--tokens", type=_path, help="The file of gateways' tokens; see `stillwatch senders`."
)
@click.option("--tls-cert", type=_path, help="Our certificate and its chain, PEM.")
@click.option("--tls-key", type=_path, help="Its private key, PEM.")
@click.option("--client-ca", type=_path, help="Who signs gateways' certificates, PEM.")
@click.option(
    "--credential",
    "credentials",
    multiple=True,
    metavar="PLACE",
    help="Where keys stand: a header, or header-sha256:NAME for a hash of the key. May be repeated."
    "  [default: authorization, x-api-key, api-key]",
)
@click.option(
    "--account", "accounts", multiple=True, metavar="PLACE", help="Where accounts are named."
)
@click.option(
    "--conversation",
    "conversations",
    multiple=True,
    metavar="PLACE",
    help="Where conversations are named.",
)
@click.option("--source-id", help="With which the gateway's log is imported, if with one.")
@click.option(
    "--trusted-hops",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Proxies of yours that a request passes; they overwrite headers that name accounts.",
)
@click.option(
    "--trusted-peer",
    "trusted_peers",
    multiple=True,
    metavar="NETWORK",
    help="Networks of those proxies; without it every peer counts as one.",
)
@click.option("--appeals-listen", metavar="HOST:PORT", help="Take appeals here, too.")
@click.option("--counters-url", metavar="URL", help="Share budgets in Redis or Valkey.")
@click.option("--counters-user", help="Whom that server knows.")
@click.option("--counters-password-file", type=_path, help="Its password (mode 0600).")
@reports_errors
def command(listen: str, **options: Any) -> None:
    """Answer gateways: is this request to go on?

    Envoy asks under /envoy, nginx and Caddy at /auth, LiteLLM at
    /beta/litellm_basic_guardrail_api, and a gateway of your own at /v1/decide. Other regions fetch
    /v1/snapshot. What is in force is read from the verdict store within seconds; when the store is
    away, what is held stays in force until it ends.

    Each refusal that is new is a line of JSON on standard error, once a minute for the same reference;
    it names nobody, and `stillwatch explain REFERENCE` says whom it is about.

    Without --tokens or --client-ca only loopback is listened on. SIGTERM and Ctrl-C end it.
    """
    require_server("serve", "serving", "gateway")
    from stillwatch.enforcement.deciding import Decider
    from stillwatch.enforcement.http_app import DecisionsApplication
    from stillwatch.enforcement.identifying import Identifier
    from stillwatch.enforcement.metrics import Metrics, Part
    from stillwatch.enforcement.refusal_log import RefusalLog
    from stillwatch.enforcement.serving import DecisionServer
    from stillwatch.listening.senders import Senders
    from stillwatch.listening.sockets import Security

    require_both_of_tls(options["tls_cert"], options["tls_key"])
    metrics = Metrics()
    settings = _settings(options)
    tokens = options["tokens"]
    senders = None if tokens is None else Senders(tokens)
    source = (
        _fetched(options)
        if options["snapshot_url"]
        else _stored(options, lambda: metrics.failed(Part.STORE))
    )
    decider = Decider(
        source.holder,
        Identifier(source.gateway_keys, settings),
        counters=_counters(options, lambda: metrics.failed(Part.COUNTERS)),
        clock=source.clock,
    )
    application = DecisionsApplication(
        decider=decider,
        holder=source.holder,
        snapshot=source.holder.path,
        clock=source.clock,
        metrics=metrics,
        levels=source.levels,
        senders=senders,
        refused=RefusalLog(lambda line: click.echo(line, err=True), source.clock.now),
    )
    tls = options["tls_cert"], options["tls_key"]
    DecisionServer(
        listen,
        application,
        source,
        Security(senders, *tls, options["client_ca"]),
        appeals=_appeals(options, source, metrics),
    ).run(say)
    say("Stopped. Gateways go on as they are set up to without us.")


def _stored(options: dict[str, Any], failed: Callable[[], None]) -> StoredSnapshots:
    from stillwatch.cli.chosen_store import ChosenStore
    from stillwatch.cli.key_of_lake import key_of_lake
    from stillwatch.enforcement.snapshot_sources import (
        STATE_FOLDER,
        StoredSnapshots,
        signing_key_at,
    )
    from stillwatch.identity import GatewayKeys, KeySource, Tokeniser
    from stillwatch.lake.credentials import KnownCredentials
    from stillwatch.lake.store import Lake
    from stillwatch.policy.store import StoreAwayError, StoreDoor

    lake = options["lake_path"]
    if lake is None:
        raise InputError(
            "the lake knows which keys an account has.",
            where="--lake",
            remedy="Name the lake with --lake, or another server with --snapshot-url.",
        )
    source = KeySource.chosen(file=options["key_file"], command=options["key_command"])
    key = key_of_lake(source, lake)
    Lake.open(lake).manifest.require_key(key.fingerprint, lake=lake)
    state = options["state"] or lake / STATE_FOLDER
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    door = StoreDoor(ChosenStore(options["store_url"], lake).database_url(), Tokeniser(key))
    try:
        door.store()
    except StoreAwayError as error:
        say(f"{error.what} What was last in force is, until it ends; it is tried again.")
    return StoredSnapshots(
        door,
        state,
        GatewayKeys.of(key),
        signing_key_at(state),
        KnownCredentials(lake),
        failed,
    )


def _fetched(options: dict[str, Any]) -> FetchedSnapshots:
    from stillwatch.enforcement.fetching import HttpFetcher
    from stillwatch.enforcement.snapshot_sources import FetchedSnapshots
    from stillwatch.identity import GatewayKeys, read_verify_keys
    from stillwatch.records.private_lines import read_private_line

    for name in ("state", "gateway_keys", "verify_key"):
        if options[name] is None:
            raise InputError(
                "a server that fetches snapshots needs a folder and two files.",
                where=f"--{name.replace('_', '-')}",
                remedy="Give --state, --gateway-keys (from `stillwatch keys export-gateway`) and "
                "--verify-key (the other server's signing-key.pem.pub).",
            )
    for name in ("lake_path", "store_url", "appeals_listen"):
        if options[name] is not None:
            raise InputError(
                "a server that fetches snapshots has neither store nor lake.",
                where=f"--{name.removesuffix('_path').removesuffix('_url').replace('_', '-')}",
                remedy="Leave it out, or leave --snapshot-url out.",
            )
    token_file, authority = options["snapshot_token_file"], options["snapshot_ca"]
    token = None if token_file is None else read_private_line(token_file, "token")
    return FetchedSnapshots(
        HttpFetcher(options["snapshot_url"], token, _context(authority)),
        options["state"],
        GatewayKeys.read(options["gateway_keys"]),
        read_verify_keys(options["verify_key"]),
    )


def _context(authority: Path | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            "this is no certificate of an authority.",
            where=f"--snapshot-ca {authority}",
            remedy="Give a PEM file with who signs the other server's certificate.",
        ) from error


def _settings(options: dict[str, Any]) -> IdentitySettings:
    from stillwatch.enforcement.identifying import IdentitySettings, Place

    places = {
        name: tuple(map(Place.parsed, options[f"{name}s"]))
        for name in ("credential", "account", "conversation")
    }
    chosen = {} if not places["credential"] else {"credentials": places["credential"]}
    return IdentitySettings(
        **chosen,
        account=places["account"],
        conversation=places["conversation"],
        source_id=options["source_id"],
        trusted_hops=options["trusted_hops"],
        trusted_peers=tuple(map(_network, options["trusted_peers"])),
    )


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InputError(
            "this is no network.",
            where=f"--trusted-peer {text[:60]}",
            remedy="Give an address, or a network such as 10.0.0.0/24.",
        ) from error


def _counters(options: dict[str, Any], failed: Callable[[], None]) -> Counters | None:
    url = options["counters_url"]
    if url is None:
        return None
    if find_spec("redis") is None:
        raise InputError(
            "shared counters need redis, which is not installed.",
            where="--counters-url",
            remedy="Install the extra: `pip install 'stillwatch[redis]'`.",
        )
    from stillwatch.enforcement.shared_counters import ServerUrlError, SharedCounters
    from stillwatch.records.private_lines import read_private_line

    file = options["counters_password_file"]
    password = None if file is None else read_private_line(file, "password")
    try:
        return SharedCounters(url, user=options["counters_user"], password=password, failed=failed)
    except ServerUrlError as error:
        raise InputError(str(error), where="--counters-url") from error


def _appeals(options: dict[str, Any], source: Any, metrics: Any) -> AppealsListener | None:
    if options["appeals_listen"] is None:
        return None
    from stillwatch.enforcement.appeals_serving import AppealsListener
    from stillwatch.enforcement.metrics import Part
    from stillwatch.listening.sockets import Security

    tls = options["tls_cert"], options["tls_key"]
    return AppealsListener(
        options["appeals_listen"],
        source.door.store,
        Security(None, *tls, takes_strangers=True),
        trusted_hops=options["trusted_hops"],
        counted=lambda path, status: metrics.answered("appeals", path, status),
        failed=lambda _kind: metrics.failed(Part.APPEALS),
    )
