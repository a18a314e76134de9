"""Where a receiver listens: loopback for everybody, elsewhere only with TLS and authentication."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from certificates import Authority
from click.testing import CliRunner
from received import start_receiving
from stations import KEY, exchange, lake_rows, ndjson

from stillwatch.cli.main import run
from stillwatch.identity import store_key
from stillwatch.listening.senders import Senders, add_sender
from stillwatch.listening.sockets import (
    Security,
    listening_socket,
    name_in_certificate,
    shown_address,
)
from stillwatch.records import InputError


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "[::1]:0", "127.9.9.9:0"])
def test_loopback_is_listened_on_without_more(address: str) -> None:
    """The address is said as a URL with the port that was taken."""
    with listening_socket(address, Security()) as listener:
        shown = shown_address(listener, is_tls=False)

    assert shown.startswith("http://")
    assert int(shown.rpartition(":")[2]) > 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:4318"])
def test_other_addresses_need_tls_and_authentication(tmp_path: Path, address: str) -> None:
    """Either alone is refused, and so is neither; the message says what is missing."""
    add_sender(tmp_path / "tokens", "east")
    tokens = Senders(tmp_path / "tokens")
    certificate = tmp_path / "cert.pem"
    for security, missing in (
        (Security(), "no TLS .* and no authentication"),
        (Security(tokens), "no TLS [^a]*and --tls-key\\)"),
        (Security(None, certificate, certificate), "no authentication"),
    ):
        with pytest.raises(InputError, match=missing):
            listening_socket(address, security)


def test_other_addresses_are_listened_on_with_both(tmp_path: Path) -> None:
    """TLS, and tokens or an authority of the senders."""
    add_sender(tmp_path / "tokens", "east")
    pem = tmp_path / "cert.pem"
    for security in (
        Security(Senders(tmp_path / "tokens"), pem, pem),
        Security(None, pem, pem, pem),
    ):
        listening_socket("0.0.0.0:0", security).close()


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "a b:1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """With an example of one."""
    with pytest.raises(InputError, match=r"127\.0\.0\.1:4318"):
        listening_socket(address, Security())


def test_a_place_that_is_taken_is_named() -> None:
    """Somebody else listens there."""
    with listening_socket("127.0.0.1:0", Security()) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match="in use"):
            listening_socket(f"127.0.0.1:{port}", Security())


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ([[("commonName", "east")]], "east"),
        ([[("organizationName", "o")], [("commonName", "west-1")]], "west-1"),
        ([[("commonName", "default")]], ""),
        ([[("commonName", "a:b")]], ""),
        ([], ""),
    ],
)
def test_the_common_name_is_the_source(subject: list[object], name: str) -> None:
    """If it can be one; a certificate that names none lets nobody in."""
    assert name_in_certificate({"subject": subject}) == name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--listen", "0.0.0.0:0"], "--tls-cert and --tls-key"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "x"], "go together"),
        (["--listen", "127.0.0.1:0", "--client-ca", "x"], "none of ours"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "x"], "PEM"),
        (["--listen", "127.0.0.1:0", "--tokens", "x"], "stillwatch senders add"),
        (["--listen", "127.0.0.1:0", "--source", "a:b"], "--source"),
    ],
)
def test_what_cannot_be_is_refused_with_status_2(
    tmp_path: Path, options: list[str], words: str
) -> None:
    """Before anything is listened on."""
    store_key(KEY, tmp_path / "key")
    command = ["receive", *options, "--lake", str(tmp_path / "lake")]

    done = CliRunner().invoke(run, [*command, "--key-file", str(tmp_path / "key")])

    assert done.exit_code == 2
    assert words in done.stderr


def test_certificates_of_senders_name_their_source(tmp_path: Path) -> None:
    """Mutual TLS: who shows none, or another authority's, is not let in."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.issue("receiver")
    options = ["--tls-cert", certificate, "--tls-key", key, "--client-ca", authority.certificate]
    receiving = start_receiving(tmp_path, KEY, *options, "--fold-seconds", "600")
    try:
        receiving.context = authority.client(authority.issue("east"))
        taken = receiving.post("/v1/exchanges", ndjson([exchange(1)]))
        for context in (authority.client(), authority.client(stranger.issue("west"))):
            receiving.forget_connection()
            receiving.context = context
            with pytest.raises((ssl.SSLError, ConnectionError)):
                receiving.post("/v1/exchanges", ndjson([exchange(2)]))
    finally:
        status, words = receiving.stop()

    assert taken == (200, {"accepted": 1, "rejected": 0})
    assert status == 0, words
    (row,) = lake_rows(tmp_path / "lake", "exchanges")
    assert (row["account_id"], row["source_id"]) == ("east:a1", "east")
