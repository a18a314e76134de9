"""Who may be behind a campaign: a set of hypotheses, `unknown` always among them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from planted_logs import DAY, JUDGE, START, LogBook, planted
from stillwatch.campaigns.attribution import UNKNOWN
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.records import ActorProfile, InputError, read_actors

HOSTS = "net-of-the-quarry"


@pytest.fixture(scope="module")
def book() -> LogBook:
    """One campaign on one network, among people who sit elsewhere."""
    book, workers = planted(5, workers=14)
    for row in book.exchanges:
        inside = row["account_id"] in workers
        row["client_net_token"] = HOSTS if inside else f"home-{row['account_id']}"
        row["client_metadata"] = json.dumps({"pool": "tok-17"}) if inside else None
    return book


def hypotheses(book: LogBook, folder: Path, *profiles: ActorProfile) -> dict[str, float]:
    settings = ScanSettings(with_timeline=False, profiles=profiles)
    findings = scan(book.open(folder), settings, notes={})
    (campaign,) = findings.campaigns.to_pylist()
    return {a["actor"]: a["coverage"] for a in campaign["actors"]}


def test_a_profile_that_fits_is_named_before_unknown(book: LogBook, tmp_path: Path) -> None:
    """Its wording and its network are those of the campaign, and of nobody else."""
    found = hypotheses(
        book,
        tmp_path,
        ActorProfile("lantern-seven", templates=(JUDGE,), infrastructure=(HOSTS,)),
        ActorProfile("grey-heron", infrastructure=("net-of-the-mill",)),
    )

    assert next(iter(found)) == "lantern-seven"
    assert found["lantern-seven"] > 0.9
    assert UNKNOWN in found
    assert "grey-heron" not in found


def test_a_profile_that_fits_nothing_leaves_the_actor_unknown(
    book: LogBook, tmp_path: Path
) -> None:
    """Nothing of it is in the log: belief moves to `unknown`."""
    found = hypotheses(
        book, tmp_path, ActorProfile("grey-heron", infrastructure=("net-of-the-mill",))
    )

    assert found[UNKNOWN] > 0.5


def test_an_actor_whom_nothing_points_to_is_not_named(book: LogBook, tmp_path: Path) -> None:
    """Half of the belief at the start is no evidence; the summary says `unknown`."""
    settings = ScanSettings(
        with_timeline=False,
        profiles=(
            ActorProfile(
                "innocent-lab",
                templates=("Translate this into French please, and keep the tone: {}",),
            ),
        ),
    )
    (campaign,) = scan(book.open(tmp_path), settings, notes={}).campaigns.to_pylist()

    assert [a["actor"] for a in campaign["actors"]] == [UNKNOWN]
    assert "Who is behind it is unknown." in campaign["summary"]


def test_what_everybody_shows_names_nobody(book: LogBook, tmp_path: Path) -> None:
    """A profile made of what half of the log does is no profile."""
    for row in book.exchanges:
        row["user_agent"] = "common-sdk/1.0"
    found = hypotheses(book, tmp_path, ActorProfile("grey-heron", metadata=("common-sdk/1.0",)))

    assert found[UNKNOWN] >= 0.5


def test_infrastructure_of_another_time_is_not_compared(book: LogBook, tmp_path: Path) -> None:
    """Addresses change hands: a profile that ended before the campaign says nothing by them."""
    past = ActorProfile("lantern-seven", infrastructure=(HOSTS,), last=START - 100 * DAY)
    now = ActorProfile("lantern-seven", infrastructure=(HOSTS,), last=START + 100 * DAY)

    assert "lantern-seven" not in hypotheses(book, tmp_path / "past", past)
    assert hypotheses(book, tmp_path / "now", now)["lantern-seven"] > 0.7


def test_values_of_the_metadata_are_compared_one_by_one(book: LogBook, tmp_path: Path) -> None:
    """The object's values are what a profile names, not its spelling."""
    found = hypotheses(book, tmp_path, ActorProfile("lantern-seven", metadata=("tok-17",)))

    assert next(iter(found)) == "lantern-seven"


def test_attribution_changes_no_finding(book: LogBook, tmp_path: Path) -> None:
    """With a profile or without, the same evidence."""
    plain = scan(book.open(tmp_path / "a"), ScanSettings(with_timeline=False), notes={})
    settings = ScanSettings(
        with_timeline=False, profiles=(ActorProfile("lantern-seven", templates=(JUDGE,)),)
    )
    named = scan(book.open(tmp_path / "b"), settings, notes={})

    assert plain.campaigns["actors"].to_pylist() == [None]
    columns = ["campaign_id", "e_value", "fdr_q", "targets"]
    assert named.campaigns.select(columns).equals(plain.campaigns.select(columns))
    assert named.members.equals(plain.members)


def written(folder: Path, content: object) -> Path:
    path = folder / "actors.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_file_of_profiles_is_read(tmp_path: Path) -> None:
    """Lists or objects of lists, and an open period."""
    path = written(
        tmp_path,
        [
            {
                "actor": "lantern-seven",
                "templates": ["Score the answer: {}"],
                "infrastructure": {"asns": [64512], "networks": ["10.1."]},
                "metadata": ["pool-agent/2"],
                "period": {"from": "2026-05-01"},
            }
        ],
    )

    (profile,) = read_actors(path)

    assert profile.infrastructure == ("64512", "10.1.")
    assert profile.first is not None
    assert profile.last is None
    assert profile.active_within(START, START + timedelta(days=1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"actor": "a", "country": "xx"}], "country"),
        ([{"actor": "a", "metadata": {"accept-language": ["xx"]}}], "language"),
        ([{"actor": "unknown"}], "name of its actor"),
        ([{"templates": ["x"]}], "name of its actor"),
        ([{"actor": "a", "templates": ["x"]}] * 2, "more than once"),
        ([{"actor": "a", "shoe_size": 3}], "shoe_size"),
        ([{"actor": "a", "templates": ["x"], "period": "spring"}], "period"),
        ([{"actor": "a", "templates": ["x"], "period": ["then", "now"]}], "no date"),
        ([{"actor": "a"}], "says nothing"),
        ({"actor": "a"}, "not a list"),
        (["a"], "no profile"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(
    tmp_path: Path, content: object, said: str
) -> None:
    """With what is wrong, where, and what to write instead."""
    with pytest.raises(InputError) as refused:
        read_actors(written(tmp_path, content))

    assert said in str(refused.value)
    assert refused.value.remedy
