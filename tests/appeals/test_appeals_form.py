"""The form and its JSON: alike for every reference, bounded, and without a word of customers' text."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from asked_over_asgi import (
    DECIDER,
    LIVE,
    UNKNOWN,
    VIEWER,
    RememberingDesk,
    application,
    ask,
)
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.enforcement.appeal_limits import Rates, Turnstile
from stillwatch.policy.appeals import MOST_CHARACTERS

DECISION = {"state": "overturned", "reason": "The evidence does not hold."}


def test_the_form_loads_and_runs_nothing() -> None:
    """No script, no image, no other page, and browsers are told to hold to that."""
    page = ask(application(RememberingDesk()), "GET", "/")
    assert page.status == 200
    assert "<script" not in page.text
    assert "multipart" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"


def test_a_link_fills_in_the_reference_escaped() -> None:
    """Whatever a stranger puts into a link, it stays text."""
    page = ask(application(RememberingDesk()), "GET", "/?reference=%22%3E%3Cscript%3Ealert(1)")
    assert "<script" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text


@pytest.mark.parametrize("path", ["/appeal", "/v1/appeals"])
def test_an_appeal_is_kept_once(path: str) -> None:
    """The second one while the first is open changes nothing, and is answered as the first."""
    desk = RememberingDesk()
    app = application(desk)
    first, second = (
        ask(app, "POST", path, {"reference": LIVE, "text": f"It was me {i}."}) for i in range(2)
    )
    assert (first.status, first.body) == (second.status, second.body)
    assert desk.kept == ["It was me 0."]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/appeal", {"reference": "REF", "text": "A mistake."}),
        ("POST", "/v1/appeals", {"reference": "REF", "text": "A mistake."}),
        ("POST", "/state", {"reference": "REF"}),
        ("GET", "/v1/appeals/REF", b""),
    ],
)
def test_true_and_false_references_are_answered_alike(
    method: str, path: str, body: dict[str, str] | bytes
) -> None:
    """Status, headers and body are equal but for the reference that was sent."""
    app = application(RememberingDesk())
    answers = []
    for reference in (LIVE, UNKNOWN):
        sent: Any = body
        if isinstance(body, dict):
            sent = {k: v.replace("REF", reference) for k, v in body.items()}
        reply = ask(app, method, path.replace("REF", reference), sent)
        answers.append((reply.status, reply.headers, reply.text.replace(reference, "REF")))
    assert answers[0] == answers[1]
    assert answers[0][0] in (200, 202)


def test_answers_leave_at_whole_steps_of_time() -> None:
    """What the store did meanwhile cannot be read from the clock."""
    times = count(start=0.0, step=0.003)
    app = application(RememberingDesk(), step_seconds=0.05, monotonic=lambda: next(times))
    import time

    began = time.monotonic()
    ask(app, "POST", "/v1/appeals", {"reference": LIVE, "text": "A mistake."})
    # By the given clock a few milliseconds have passed: the rest of the step was waited for.
    assert time.monotonic() - began >= 0.03


def test_references_are_taken_as_people_copy_them() -> None:
    """In capitals, in groups, with the dot at the sentence's end."""
    desk = RememberingDesk()
    shown = "-".join(LIVE[i : i + 8] for i in range(0, 32, 8)).upper() + "."
    reply = ask(application(desk), "POST", "/appeal", {"reference": f" {shown} ", "text": "Why?"})
    assert reply.status == 202
    assert desk.kept == ["Why?"]


@pytest.mark.parametrize("reference", ["", "xyz", "0" * 31, "0" * 33, "g" * 32])
def test_what_can_be_no_reference_is_told(reference: str) -> None:
    """A slip of the pen is no secret, and nothing is looked up."""
    desk = RememberingDesk()
    reply = ask(application(desk), "POST", "/v1/appeals", {"reference": reference, "text": "x"})
    assert (reply.status, desk.asked) == (400, 0)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 50_000, {}, 413),
        (b"", {"content-length": "999999999"}, 413),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"reference": 1, "text": "x"}', {}, 400),
        (b"[" * 30_000, {}, 400),
        (b"--x", {"content-type": "multipart/form-data; boundary=x"}, 415),
        (json.dumps({"reference": LIVE, "text": "x" * (MOST_CHARACTERS + 1)}).encode(), {}, 400),
        (json.dumps({"reference": LIVE, "text": " \n\x00 "}).encode(), {}, 400),
    ],
)
def test_what_is_too_much_or_none_is_refused(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    """Before anything is looked up, and without quoting it."""
    desk = RememberingDesk()
    reply = ask(application(desk), "POST", "/v1/appeals", body, headers=headers)
    assert (reply.status, desk.asked) == (status, 0)
    assert len(reply.body) < 200


@given(st.binary(max_size=2_000))
def test_no_body_brings_it_down(body: bytes) -> None:
    """Arbitrary bytes get one of a few answers."""
    for path in ("/appeal", "/state", "/v1/appeals", f"/v1/appeals/{LIVE}/decision"):
        reply = ask(
            application(RememberingDesk()),
            "POST",
            path,
            body,
            headers={"authorization": f"Bearer {DECIDER}"},
        )
        assert reply.status in (200, 202, 400)


def test_a_reference_may_be_asked_of_so_often() -> None:
    """True or false; and what is refused tells when to come again."""
    app = application(
        RememberingDesk(), turnstile=Turnstile(Rates(of_reference=3)), monotonic=lambda: 30.0
    )
    for reference in (LIVE, UNKNOWN):
        statuses = [ask(app, "GET", f"/v1/appeals/{reference}").status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
    assert ask(app, "GET", f"/v1/appeals/{LIVE}").headers["retry-after"] == "30"


def test_one_network_cannot_use_up_what_all_have() -> None:
    """Its own share ends first."""
    app = application(
        RememberingDesk(),
        turnstile=Turnstile(Rates(of_network=5, of_all=8)),
        monotonic=lambda: 0.0,
    )
    flood = [ask(app, "GET", "/", client=f"203.0.113.{i}").status for i in range(50)]
    assert flood.count(200) == 5
    assert ask(app, "GET", "/", client="198.51.100.7").status == 200


def test_what_is_counted_stays_bounded() -> None:
    """A flood of references and networks takes no more memory than a window holds."""
    turnstile = Turnstile(Rates(of_reference=1, of_network=1, of_all=10**9))
    for i in range(30_000):
        turnstile.lets_in(f"10.{i % 250}.{i // 250}.1", 0.0)
        turnstile.lets_ask_of(f"{i:032x}", 0.0)
    assert len(turnstile._references.counts) <= 10_000
    assert len(turnstile._networks.counts) <= 10_000


def test_the_address_is_that_which_the_trusted_proxies_saw() -> None:
    """What a stranger writes into the header counts for nothing."""
    app = application(
        RememberingDesk(),
        turnstile=Turnstile(Rates(of_network=1)),
        trusted_hops=1,
        monotonic=lambda: 0.0,
    )
    for i, wanted in enumerate((200, 429)):
        forged = {"x-forwarded-for": f"192.0.2.{i}, 198.51.100.7"}
        assert ask(app, "GET", "/", headers=forged).status == wanted


def test_a_full_table_is_told_to_everybody_alike() -> None:
    """Whether the reference lives or not."""
    desk = RememberingDesk(is_full=True)
    replies = [
        ask(application(desk), "POST", "/v1/appeals", {"reference": r, "text": "x"})
        for r in (LIVE, UNKNOWN)
    ]
    assert [reply.status for reply in replies] == [503, 503]
    assert replies[0].body == replies[1].body


def test_a_failure_of_the_store_shows_nothing_of_it() -> None:
    """Neither its address nor its words."""

    class Broken(RememberingDesk):
        def state(self, reference: str, *, now: Any) -> Any:
            raise RuntimeError("postgresql://user:password@host/")

    reply = ask(application(Broken()), "GET", f"/v1/appeals/{LIVE}")
    assert reply.status == 503
    assert "password" not in reply.text


def test_a_decision_needs_the_token_of_somebody_who_may() -> None:
    """Nobody's token is 401, that of a viewer 403."""
    desk = RememberingDesk()
    app = application(desk)
    path = f"/v1/appeals/{LIVE}/decision"

    def status(token: str | None) -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return ask(app, "POST", path, DECISION, headers=headers).status

    assert [status(None), status("nobodys"), status(VIEWER)] == [401, 401, 403]
    assert desk.decided == []
    assert status(DECIDER) == 200
    assert ask(app, "GET", f"/v1/appeals/{LIVE}").json["state"] == "overturned"


@pytest.mark.parametrize(
    ("client", "scheme", "headers", "status"),
    [
        ("198.51.100.7", "http", {}, 403),
        ("127.0.0.1", "http", {"x-forwarded-for": "198.51.100.7"}, 403),
        ("198.51.100.7", "https", {}, 200),
        ("127.0.0.1", "http", {}, 200),
        ("::1", "http", {}, 200),
    ],
)
def test_tokens_are_not_taken_where_others_could_listen(
    client: str, scheme: str, headers: dict[str, str], status: int
) -> None:
    """TLS, or this machine itself and not on behalf of another."""
    reply = ask(
        application(RememberingDesk()),
        "POST",
        f"/v1/appeals/{LIVE}/decision",
        DECISION,
        headers={"authorization": f"Bearer {DECIDER}", **headers},
        client=client,
        scheme=scheme,
    )
    assert reply.status == status


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "open", "reason": "Long enough a reason."},
        {"state": "upheld", "reason": "short"},
        {"state": "reduced", "reason": "Long enough a reason."},
        {"state": "upheld", "reason": "Long enough a reason.", "reduced_to": "tag"},
        {"state": "forgiven", "reason": "Long enough a reason."},
        {"state": "reduced", "reason": "Long enough a reason.", "reduced_to": "shout"},
    ],
)
def test_half_a_decision_is_none(wrong: dict[str, str]) -> None:
    """A reason, and a step exactly where the measure becomes milder."""
    reply = ask(
        application(RememberingDesk()),
        "POST",
        f"/v1/appeals/{LIVE}/decision",
        wrong,
        headers={"authorization": f"Bearer {DECIDER}"},
    )
    assert reply.status == 400


def test_a_customer_never_sees_the_deciders_reason() -> None:
    """It may speak of links, signals and other accounts."""
    desk = RememberingDesk()
    app = application(desk)
    ask(
        app,
        "POST",
        f"/v1/appeals/{LIVE}/decision",
        {"state": "upheld", "reason": "Shares a card with acc-77 and nine others."},
        headers={"authorization": f"Bearer {DECIDER}"},
    )
    for reply in (
        ask(app, "GET", f"/v1/appeals/{LIVE}"),
        ask(app, "POST", "/state", {"reference": LIVE}),
    ):
        assert "acc-77" not in reply.text
        assert "card" not in reply.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/elsewhere", 404), ("PUT", "/appeal", 405), ("GET", "/healthz", 200)],
)
def test_other_paths_and_methods(method: str, path: str, status: int) -> None:
    """Each has its own answer."""
    assert ask(application(RememberingDesk()), method, path).status == status


def test_metrics_have_labels_of_a_few_words() -> None:
    """No reference and no path of a stranger becomes one."""
    counted: list[tuple[str, int]] = []
    app = application(
        RememberingDesk(), counted=lambda path, status: counted.append((path, status))
    )
    for path in (f"/v1/appeals/{LIVE}", "/../../etc", "/x" * 50):
        ask(app, "GET", path)
    assert counted == [("asked", 200), ("unknown", 404), ("unknown", 404)]
