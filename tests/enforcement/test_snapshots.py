"""A snapshot says what its actions say, and nothing else is taken for one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from acting import (
    GATEWAY_KEYS,
    KEY,
    NOW,
    SIGNING_KEY,
    VERIFY_KEYS,
    action,
    credential_token,
    opened,
    written,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.snapshot import Snapshot, SnapshotError, Unusable
from stillwatch.enforcement.snapshot_format import HEADER, NONE, PURPOSE, Header
from stillwatch.enforcement.snapshot_writing import build_snapshot, publish, signed_header_in
from stillwatch.identity import GatewayKeys, Kind, SigningKey
from stillwatch.records.actions import Action, Countermeasure, Scope, Step

_TEN = [action(number) for number in range(10)]


def _account_key(account_id: str) -> bytes:
    return GATEWAY_KEYS.digest(Kind.ACCOUNT, account_id)


def _credential_key(secret: str) -> bytes:
    return bytes.fromhex(credential_token(secret).partition("_")[2])


def _on_account(snapshot: Snapshot, account_id: str) -> list[str]:
    found = snapshot.find(_account_key(account_id))
    if found is None or found[1] >= snapshot.actions:
        return []
    return [s.reference for s in snapshot.standing_at(found[1])]


@given(st.sets(st.integers(0, 2**40), max_size=300), st.sets(st.integers(0, 2**40), max_size=50))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_each_account_is_found_and_no_other(
    tmp_path: Path, inside: set[int], outside: set[int]
) -> None:
    """A table with gaps gives what a dictionary gives, at every size."""
    (tmp_path / "s").unlink(missing_ok=True)
    snapshot = opened(tmp_path / "s", [action(number) for number in inside])

    for number in inside | outside:
        expected = [f"{number:032x}"] if number in inside else []
        assert _on_account(snapshot, f"acct-{number}") == expected


def test_all_of_an_action_that_a_gateway_needs_is_kept(tmp_path: Path) -> None:
    """Step, measures, budget, times to the millisecond, group and reference come back."""
    made = action(
        7,
        step=Step.WITHHOLD,
        countermeasures=frozenset({Countermeasure.BIND_REASONING, Countermeasure.CAP_NEW_MODELS}),
        requests_per_minute=12,
        group="campaign-große-flut",
        begins_at=NOW + timedelta(microseconds=1),
        ends_at=NOW + timedelta(days=1, microseconds=999),
    )
    snapshot = opened(tmp_path / "s", [made])

    found = snapshot.find(_account_key("acct-7"))
    assert found is not None
    (standing,) = snapshot.standing_at(found[1])

    assert standing.step is Step.WITHHOLD
    assert standing.countermeasures == made.countermeasures
    assert standing.requests_per_minute == 12
    assert standing.reference == made.reference
    assert snapshot.group_name(standing.group) == made.group
    assert standing.begins_ms == round(NOW.timestamp() * 1000) + 1  # rounded up
    assert standing.ends_ms == round((NOW + timedelta(days=1)).timestamp() * 1000)  # and down
    assert snapshot.header.valid_until_ms == standing.ends_ms


def test_actions_on_one_subject_stand_side_by_side(tmp_path: Path) -> None:
    """A throttle that becomes a block is two actions on one account."""
    both = [action(1, step=Step.THROTTLE, reference="a" * 32), action(1, reference="b" * 32)]
    snapshot = opened(tmp_path / "s", [*_TEN[2:], *both])

    assert sorted(_on_account(snapshot, "acct-1")) == ["a" * 32, "b" * 32]


def test_a_credential_leads_to_its_account(tmp_path: Path) -> None:
    """Also where there is an action on the credential itself."""
    own = action(3, scope=Scope.CREDENTIAL, subject=credential_token("sk-own"), step=Step.TAG)
    snapshot = opened(
        tmp_path / "s",
        [action(3), own],
        credentials={"acct-3": [credential_token("sk-own"), credential_token("sk-other")]},
    )

    account = snapshot.find(_account_key("acct-3"))
    first, second = (snapshot.find(_credential_key(k)) for k in ("sk-own", "sk-other"))

    assert account is not None
    assert first is not None
    assert second is not None
    assert first[1] == second[1] == account[1]
    assert [s.step for s in snapshot.standing_at(first[0])] == [Step.TAG]
    assert second[0] == NONE


def test_a_credential_of_two_accounts_leads_to_neither(tmp_path: Path) -> None:
    """An action on one of them would otherwise fall on the other."""
    shared = credential_token("sk-shared")
    made = build_snapshot(
        [action(1), action(2)],
        GATEWAY_KEYS,
        SIGNING_KEY,
        sequence=1,
        created_at=NOW,
        credentials={"acct-1": [shared], "acct-2": [shared]},
    )
    publish(made, tmp_path / "s")
    found = Snapshot.open(tmp_path / "s", VERIFY_KEYS).find(_credential_key("sk-shared"))

    assert made.ambiguous_credentials == 1
    assert found == (NONE, NONE)


def test_nothing_raw_is_inside(tmp_path: Path) -> None:
    """Neither ids of accounts nor reasons nor names of people are in the file."""
    secret = action(5, reason="told by a partner", proposed_by="ann.arbour", approved_by="bo.borg")
    content = written(tmp_path / "s", [secret], credentials={"acct-5": ["src-key-1"]}).read_bytes()

    for text in (b"acct-5", b"told by", b"arbour", b"borg", b"src-key-1"):
        assert text not in content


def test_an_account_and_its_credential_take_less_than_200_bytes(tmp_path: Path) -> None:
    """What was promised of a verdict, the whole file counted."""
    few = [action(number) for number in range(5_000)]
    known = {a.account_id: [credential_token(f"sk-{a.account_id}")] for a in few}
    size = written(tmp_path / "s", few, credentials=known).stat().st_size

    assert size / len(few) < 200


def _reason(path: Path, *, keys: object = VERIFY_KEYS, fingerprint: str | None = None) -> Unusable:
    with pytest.raises(SnapshotError) as raised:
        Snapshot.open(path, keys, key_fingerprint=fingerprint)  # type: ignore[arg-type]
    return raised.value.reason


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    """At every length, the empty file and a header alone among them."""
    whole = written(tmp_path / "s", _TEN).read_bytes()
    for length in [*range(0, 400, 7), *range(400, len(whole), 61)]:
        (tmp_path / "cut").write_bytes(whole[:length])
        assert _reason(tmp_path / "cut") is Unusable.TRUNCATED


def test_a_flipped_bit_is_refused_wherever_it_is(tmp_path: Path) -> None:
    """In the header, the signature, the table and the names."""
    whole = written(tmp_path / "s", _TEN).read_bytes()
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        (tmp_path / "flipped").write_bytes(changed)
        _reason(tmp_path / "flipped")


def test_bytes_at_the_end_are_refused(tmp_path: Path) -> None:
    """What was not signed has no place in the file."""
    path = written(tmp_path / "s", _TEN)
    path.write_bytes(path.read_bytes() + b"\0")

    assert _reason(path) is Unusable.CHANGED


def test_a_newer_version_is_told_as_such(tmp_path: Path) -> None:
    """Whoever upgraded the server first reads what to do."""
    content = written(tmp_path / "s", _TEN).read_bytes()
    start = Header.unpack(content)._replace(version=2).pack()
    signed = start + SIGNING_KEY.sign(PURPOSE, start) + content[HEADER.size + 64 :]
    (tmp_path / "newer").write_bytes(signed)

    assert _reason(tmp_path / "newer") is Unusable.NEWER_VERSION


def test_another_signer_is_not_believed(tmp_path: Path) -> None:
    """Only keys that the operator gave to the gateway count."""
    stranger = SigningKey(Ed25519PrivateKey.generate()).public

    assert _reason(written(tmp_path / "s", _TEN), keys=stranger) is Unusable.UNSIGNED


def test_tokens_of_another_key_are_not_taken(tmp_path: Path) -> None:
    """After a rotation the gateway's keys would find nobody, and everything would pass."""
    path = written(tmp_path / "s", _TEN)
    rotated = GatewayKeys.of(KEY.rotated()).fingerprint

    assert _reason(path, fingerprint=rotated) is Unusable.OTHER_KEY
    assert Snapshot.open(path, VERIFY_KEYS, key_fingerprint=GATEWAY_KEYS.fingerprint)


def test_what_is_no_snapshot_is_told(tmp_path: Path) -> None:
    """A missing file, a folder, and another file of some length."""
    (tmp_path / "other").write_bytes(b"x" * 1000)

    assert _reason(tmp_path / "missing") is Unusable.UNREADABLE
    assert _reason(tmp_path / "other") is Unusable.NOT_A_SNAPSHOT


def test_of_two_builders_the_newer_snapshot_stays(tmp_path: Path) -> None:
    """In whichever order they publish."""

    def made(sequence: int, seconds: int, actions: list[Action]) -> object:
        moment = NOW + timedelta(seconds=seconds)
        return publish(
            build_snapshot(
                actions, GATEWAY_KEYS, SIGNING_KEY, sequence=sequence, created_at=moment
            ),
            tmp_path / "s",
        ).is_published

    assert made(4, 0, _TEN)
    assert not made(3, 9, [])
    assert not made(4, 0, [])
    assert made(4, 1, _TEN[:3])
    assert not made(4, 2, _TEN[:3])  # it says the same
    header = signed_header_in(tmp_path / "s", VERIFY_KEYS)
    assert header is not None
    assert header.created_ms == round(NOW.timestamp() * 1000) + 1000
    assert Snapshot.open(tmp_path / "s", VERIFY_KEYS).header.actions == 3


def test_a_held_snapshot_survives_its_replacement(tmp_path: Path) -> None:
    """A new file is a new file: who looks something up meanwhile sees the old one whole."""
    held = opened(tmp_path / "s", _TEN)
    written(tmp_path / "s", [], sequence=2)

    assert _on_account(held, "acct-4") == [f"{4:032x}"]
    assert Snapshot.open(tmp_path / "s", VERIFY_KEYS).header.actions == 0


def test_a_broken_file_is_replaced_whatever_its_header_says(tmp_path: Path) -> None:
    """A header that nobody signed keeps nobody from publishing."""
    content = bytearray(written(tmp_path / "s", _TEN).read_bytes())
    forged = Header.unpack(bytes(content))._replace(sequence=2**60).pack()
    (tmp_path / "s").write_bytes(forged + content[HEADER.size :])
    written(tmp_path / "s", _TEN[:2], sequence=2)

    assert Snapshot.open(tmp_path / "s", VERIFY_KEYS).header.actions == 2
