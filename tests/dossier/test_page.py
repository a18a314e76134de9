"""What a dossier says, what it must not say, and that it shows hostile text as text."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import stat
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dossier_builders import (
    CAMPAIGN,
    START,
    build_findings,
    campaign_exchanges,
    honest_exchanges,
    open_built_log,
)

from stillwatch.dossier import write_dossiers
from stillwatch.records import MEMBERS, Findings, InputError

COMMAND = "stillwatch scan --exchanges log --accounts accounts.parquet --out found"


class _Parsed(HTMLParser):
    """The tags and attributes that a parser sees, and the text outside the style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._styling = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._styling = tag == "style"

    def handle_endtag(self, tag):
        self._styling = False

    def handle_data(self, data):
        if not self._styling:
            self.text += data


def _write(folder: Path, exchanges=None, findings: Findings | None = None, **changes) -> str:
    exchanges = exchanges or campaign_exchanges(24, 10)
    log = open_built_log(folder / "log", [*exchanges, *honest_exchanges(20, 5)])
    findings = findings or build_findings(exchanges, **changes)
    (page,) = write_dossiers(findings, log, folder, command=COMMAND)
    return page.read_text(encoding="utf-8")


def _with_members(findings: Findings, change) -> Findings:
    rows = findings.members.to_pylist()
    for row in rows:
        change(row)
    return replace(findings, members=MEMBERS.table(rows))


def test_the_page_answers_each_question_of_a_reader(tmp_path):
    """Every part that the contract promises is there, with its figures."""
    text = " ".join(_Parsed(_write(tmp_path)).text.split())

    for words in (
        "24 accounts act as one to collect reasoning and explanations",
        "the weakest of the three: an e-value of 1,840",
        "at most once in 1,840 such groups",
        "one in 476 of all reported campaigns",
        "q of this finding is 0.0021",
        "8 × 10¹¹".replace(" ", "\u00a0"),
        "3 repeats in 4,800 items",
        "At most 5 % of the unlinked reference accounts are hostile.",
        "tls_fingerprint: rare client software could not be weighed.",
        "acct-0000",
        "It was paid for with a card that pays for five other members.",
        "A localisation vendor that divides one list over its clients' accounts.",
        "A repeat rate above 200 in a second sample of the items.",
        "same card or bank account",
        COMMAND,
        f"stillwatch explain {CAMPAIGN}",
    ):
        assert words in text or words.replace("\u00a0", " ") in text, words


def test_the_page_tells_the_log_s_end_from_the_scan_s_clock(tmp_path):
    """How old the evidence is, and how old the page: two moments."""
    findings = build_findings(campaign_exchanges(24, 10))
    findings.notes["scanned_at"] = "2026-04-01T09:30:00+00:00"
    page = _write(tmp_path, findings=findings)

    assert "<dt>Log as of</dt><dd>17 Mar 2026, 00:00 UTC</dd>" in page
    assert "<dt>Scanned at</dt><dd>1 Apr 2026, 09:30 UTC</dd>" in page


def test_the_e_values_of_members_are_told_from_those_of_the_group(tmp_path):
    """A figure in a row of the table is of one exchange."""
    text = " ".join(_Parsed(_write(tmp_path)).text.split())

    assert "of the clearest of the account’s exchanges" in text
    assert "It is no e-value of the group" in text


def test_the_page_says_what_the_finding_is_without_each_signal(tmp_path):
    """Signals that change nothing share a line; those that carry it stand apart."""
    exchanges = campaign_exchanges(24, 10)
    findings = build_findings(exchanges)
    findings.notes["without_signal"] = {
        CAMPAIGN: {
            "division": "not reported: nothing else",
            "payment": "still reported",
            "queue_clock": "still reported",
        }
    }
    text = _Parsed(_write(tmp_path, exchanges, findings)).text

    assert "Without “one list of work”: not reported: nothing else." in text
    assert "Without “same card or bank account” and “sent in turn”: still reported." in text


def test_page_and_table_are_private_and_the_table_holds_every_member(tmp_path):
    """Both files have mode 0600; the CSV has the members of the page in its order."""
    _write(tmp_path)

    page = tmp_path / "dossier" / f"{CAMPAIGN}.html"
    table = page.with_suffix(".csv")
    assert [stat.S_IMODE(p.stat().st_mode) for p in (page, table)] == [0o600, 0o600]
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert len(rows) == 24
    assert {row["account_id"] for row in rows} == {f"acct-{n:04}" for n in range(24)}
    assert [row["role"] for row in rows] == ["operator"] * 21 + ["mixed"] * 2 + ["compromised"]


def test_the_same_findings_give_the_same_page(tmp_path):
    """Nothing on the page depends on chance, not even the layout of the graph."""
    assert _write(tmp_path / "one") == _write(tmp_path / "two")


def test_the_page_needs_no_network_and_its_policy_forbids_it(tmp_path):
    """No src, only links into the page itself, and a policy that allows one style sheet."""
    html = _write(tmp_path)
    parsed = _Parsed(html)

    links = [value for _, name, value in parsed.attributes if name in ("href", "xlink:href")]
    assert links
    assert all(link.startswith("#") for link in links)
    names = {name for _, name, _ in parsed.attributes}
    assert not names & {"src", "srcset", "style", "action", "data", "poster", "background"}
    assert not any(name.startswith("on") for name in names)
    assert not set(parsed.tags) & {"script", "img", "iframe", "object", "link", "form", "base"}
    style = re.search("<style>(.*?)</style>", html, re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(
        value for _, name, value in parsed.attributes if name == "content" and "default" in value
    )
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_links_into_the_page_lead_somewhere_and_ids_are_unique(tmp_path):
    """Every fragment has its target, every picture its title and description."""
    parsed = _Parsed(_write(tmp_path))

    ids = [value for _, name, value in parsed.attributes if name == "id"]
    wanted = {value[1:] for _, name, value in parsed.attributes if name == "href"}
    for _, name, value in parsed.attributes:
        if name == "aria-labelledby":
            wanted |= set(value.split())
    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<b onclick=alert(1)>bold</b>", "<b onclick=alert(1)>bold</b>"),
        ("</script><script>alert(1)</script>", "</script><script>alert(1)</script>"),
        ("</style></div><!-- gone", "</style></div><!-- gone"),
        ("{{ 7 * 7 }}{% raw %}{# gone #}${7*7}", "{{ 7 * 7 }}{% raw %}{# gone #}${7*7}"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("safe\u202eetanigiro", r"safe\u202eetanigiro"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("&lt;not decoded&gt;", "&lt;not decoded&gt;"),
    ],
)
@pytest.mark.parametrize("place", ["prompt", "account", "reason", "summary"])
def test_hostile_text_is_shown_as_text_wherever_it_comes_from(tmp_path, hostile, shown, place):
    """Markup, braces, escapes, bidirectional controls and formulas do nothing on the page."""
    rows = campaign_exchanges(6, 5)
    if place == "prompt":
        wording = f"Please explain the following in full detail: {hostile} and nothing more."
        rows = campaign_exchanges(6, 5, prompt=wording)
    if place == "account":
        rows = [replace(r, account_id=f"{r.account_id}{hostile}") for r in rows]
    findings = build_findings(rows, **({"summary": hostile} if place == "summary" else {}))
    if place == "reason":
        findings = _with_members(findings, lambda row: row["reasons"][0].update(text=hostile))
    harmless = _Parsed(_write(tmp_path / "harmless", campaign_exchanges(6, 5)))

    parsed = _Parsed(_write(tmp_path / "hostile", rows, findings))

    assert shown in parsed.text
    # "svg" parts and examples vary in number with the text; what matters is that no kind is new.
    assert set(parsed.tags) <= set(harmless.tags)
    assert {name for _, name, _ in parsed.attributes} <= {n for _, n, _ in harmless.attributes}


def test_a_formula_in_an_account_id_is_text_in_the_table(tmp_path):
    """A spreadsheet that opens the members runs nothing."""
    rows = [replace(r, account_id="=1+1 " + r.account_id) for r in campaign_exchanges(4, 5)]
    _write(tmp_path, rows)

    table = csv.DictReader((tmp_path / "dossier" / f"{CAMPAIGN}.csv").open(encoding="utf-8"))
    assert all(row["account_id"].startswith("'=1+1") for row in table)


def test_prompts_of_mixed_and_compromised_accounts_are_never_quoted(tmp_path):
    """Of accounts with honest owners or customers only the template is shown."""
    rows = [
        replace(r, input_text=r.input_text.replace("case ", f"case of {r.account_id}-secret, "))
        for r in campaign_exchanges(24, 10)
    ]
    text = _Parsed(_write(tmp_path, rows)).text

    quoted = set(re.findall(r"case of (acct-\d+)-secret", text))
    assert quoted
    assert not quoted & {"acct-0021", "acct-0022", "acct-0023"}


def test_a_campaign_of_stolen_credentials_shows_its_template_and_no_example(tmp_path):
    """Where nobody may be quoted, the page says so."""
    rows = campaign_exchanges(8, 10)
    findings = _with_members(
        build_findings(rows), lambda row: row.update(role="compromised", share=0.1)
    )
    text = _Parsed(_write(tmp_path, rows, findings)).text

    assert "You are writing for a textbook. Explain" in text
    assert "case " not in text
    assert "No example is quoted" in text


def test_exchanges_outside_the_campaign_are_never_quoted(tmp_path):
    """A member's own traffic and other customers' prompts stay in the log."""
    rows = campaign_exchanges(8, 10)
    own = [
        replace(r, exchange_id=f"own-{r.exchange_id}", input_text=f"{r.input_text} my private note")
        for r in rows
    ]
    log = open_built_log(tmp_path / "log", [*rows, *own, *honest_exchanges(20, 5)])

    (page,) = write_dossiers(build_findings(rows), log, tmp_path, command=COMMAND)

    text = page.read_text(encoding="utf-8")
    assert "private note" not in text
    assert "my own letter" not in text


def test_personal_data_in_slots_is_masked(tmp_path):
    """E-mails and keys in a filling are masked, also where they begin in the fixed part."""
    rows = [
        replace(
            r,
            input_text="Draft a courteous and complete reply to this customer, whose address is "
            f"mara.{r.exchange_id}@example.org and whose key is sk-live-0000{r.exchange_id}aaaa, "
            f"about matter {r.exchange_id}.",
        )
        for r in campaign_exchanges(6, 5)
    ]
    html = _write(tmp_path, rows)

    assert "[e-mail]" in html
    assert "[key]" in html
    assert "example.org" not in html
    assert "sk-live" not in html


def test_the_page_says_what_is_masked_and_that_names_are_not(tmp_path):
    """Each kind that the page claims is masked there, and what it says is not stands in clear."""
    masked = {
        "e-mail addresses": "mara@example.org",
        "numbers of phones": "+44 20 7946 0958",
        "cards": "4111 1111 1111 1111",
        "bank accounts": "DE89 3704 0044 0532 0130 00",
        "IP addresses": "203.0.113.77",
        "logins in links": "https://mara:opensesame@example.org/x",
        "keys and tokens of known forms": "sk-live-abcdefgh12345678",
        "opaque strings of 32 characters or more": "9f86d081884c7d659a2feaa0c55ad015",
        "what follows “password:”": "password: hunter2hunter2",
        "numbers of seven digits or more": "7654321",
    }
    secrets = list(masked.values())
    rows = [
        replace(
            r,
            input_text="Draft a courteous and complete reply to this customer, who is called Ilsabe "
            f"Quorn and wrote of {secrets[i % len(secrets)]} in matter {r.exchange_id}.",
        )
        for i, r in enumerate(campaign_exchanges(10, 5))
    ]
    text = " ".join(_Parsed(_write(tmp_path, rows)).text.split())

    said = text.split("Masked, by their form:")[1].split("Not masked:")
    assert [kind for kind in masked if kind not in said[0]] == []
    assert [secret for secret in secrets if secret in text] == []
    assert "names of people" in said[1]
    assert "Ilsabe Quorn" in text


def test_a_log_without_text_or_notes_still_gives_a_page(tmp_path):
    """What the scan or the log lacks is said, and nothing breaks."""
    rows = [replace(r, input_text=None) for r in campaign_exchanges(3, 4)]
    findings = replace(build_findings(rows), notes={})
    findings = replace(
        findings, tested=findings.tested.slice(0, 0), links=findings.links.slice(0, 0)
    )
    text = _Parsed(_write(tmp_path, rows, findings)).text

    assert "the log keeps no text of them" in text
    assert "kept no pairwise links" in text
    assert "not recorded" in text


def test_exchanges_that_the_log_no_longer_holds_leave_empty_pictures(tmp_path):
    """Findings older than the retention of the log are still readable."""
    rows = campaign_exchanges(3, 4)
    log = open_built_log(tmp_path / "log", honest_exchanges(5, 3))

    (page,) = write_dossiers(build_findings(rows), log, tmp_path, command=COMMAND)

    assert "The log no longer holds these exchanges." in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("days", "unit"), [(2, "hour"), (14, "day"), (200, "week")])
def test_the_step_of_the_pictures_fits_the_span(tmp_path, days, unit):
    """Hours for a burst, days for weeks, weeks for a year; every exchange is in some step."""
    rows = campaign_exchanges(4, 25)
    rows = [replace(r, started_at=START + (r.started_at - START) * days / 14) for r in rows]
    html = _write(tmp_path, rows)

    assert f"Exchanges each {unit}." in html
    bars = re.findall(r"<title>[^<]*: (\d+) exchanges?</title>", html)
    assert sum(map(int, bars)) == len(rows)


def test_the_baseline_is_all_other_traffic_with_each_account_counting_once(tmp_path):
    """The line over the hours agrees with a count by hand."""
    rows = campaign_exchanges(3, 4)
    noon = [replace(rows[0], exchange_id=f"b-{n}", account_id="busy", started_at=START
            + timedelta(hours=12, seconds=n)) for n in range(90)]  # fmt: skip
    night = [replace(rows[0], exchange_id="n", account_id="calm", started_at=START)]
    log = open_built_log(tmp_path / "log", [*rows, *noon, *night])

    (page,) = write_dossiers(build_findings(rows), log, tmp_path, command=COMMAND)

    hours = re.findall(r"(\d\d):00 UTC: campaign [^,]*, other traffic (\d+)", page.read_text())
    assert {hour: share for hour, share in hours if share != "0"} == {"00": "50", "12": "50"}


def test_a_thousand_members_are_all_in_the_table_and_the_graph_is_capped(tmp_path):
    """A large campaign stays readable and loses nobody."""
    html = _write(tmp_path, campaign_exchanges(1000, 2))

    assert "The 80 of 1,000 members with the strongest links." in html
    assert html.count('<tr class="why">') == 1000
    assert len(html) < 5_000_000


def test_pages_of_campaigns_no_longer_found_are_removed_and_others_left(tmp_path):
    """An outdated accusation does not lie beside new findings; a stranger's file does."""
    _write(tmp_path)
    note = tmp_path / "dossier" / "my-notes.html"
    note.write_text("<p>mine</p>")
    _write(tmp_path, campaign_id="c-other")

    left = {path.name for path in (tmp_path / "dossier").iterdir()}
    assert left == {"c-other.html", "c-other.csv", "my-notes.html"}


def test_a_campaign_id_cannot_lead_out_of_the_folder(tmp_path):
    """Findings from elsewhere write nowhere but into the dossier's folder."""
    with pytest.raises(InputError, match="cannot be the name of a file"):
        _write(tmp_path, campaign_id="../../outside")


def test_the_log_is_left_as_it_was(tmp_path):
    """No table or view of ours stays on the log's connection."""
    rows = campaign_exchanges(4, 5)
    log = open_built_log(tmp_path / "log", rows)
    before = log.connection.execute("show all tables").fetchall()

    write_dossiers(build_findings(rows), log, tmp_path, command=COMMAND)

    assert log.connection.execute("show all tables").fetchall() == before
    assert log.connection.execute("select count(*) from exchanges").fetchone() == (20,)
