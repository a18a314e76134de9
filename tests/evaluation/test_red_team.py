"""An attacker who adapts: what he changes, what he keeps, and what the scan costs him."""

from __future__ import annotations

from stillwatch.evaluation.red_team import Outcome, Strategy, play, price


def against_wording(strategy: Strategy) -> Outcome:
    """A scan that only reads wording: it flags everyone after ten answers until level 2."""
    seen = strategy.wording < 2
    kept = 10 if seen else strategy.each
    return Outcome(
        accounts=20,
        answers=20 * kept,
        flagged=20 if seen else 0,
        reasons={"templates": 20} if seen else {},
    )


def test_he_turns_the_dial_that_the_findings_name() -> None:
    """The first change is of wording, since the findings speak of templates."""
    rounds = play(Strategy(each=100), against_wording, rounds=2)

    assert rounds[1][0] == Strategy(each=100, wording=1)


def test_he_reaches_what_one_change_after_another_can_reach() -> None:
    """A dial that must go up twice is not given up for want of gain at the first step."""
    rounds = play(Strategy(each=100), against_wording, rounds=10)

    assert max(outcome.per_account for _, outcome in rounds) == 100


def test_his_budget_is_kept() -> None:
    """No more rounds than he may play, and no strategy twice."""
    rounds = play(Strategy(each=100), against_wording, rounds=7)

    assert len(rounds) == 7
    assert len({strategy for strategy, _ in rounds}) == 7


def test_a_change_that_costs_answers_is_taken_back() -> None:
    """Cover halves his answers and hides nothing here, so the next round goes without."""

    def scan(strategy: Strategy) -> Outcome:
        answers = 100 - 30 * strategy.cover
        return Outcome(accounts=1, answers=answers, flagged=1, reasons={"odd": 1})

    rounds = play(Strategy(each=100), scan, rounds=5)

    assert rounds[1][0].cover == 1
    assert rounds[2][0].cover == 0
    assert all(strategy.cover <= 1 for strategy, _ in rounds)


def test_the_price_is_that_of_his_best_round() -> None:
    """At 10 answers an account against 200 within the limit he needs twenty times the accounts."""
    rounds = [
        (Strategy(each=200), Outcome(accounts=10, answers=20, flagged=10, reasons={})),
        (Strategy(each=200, cover=1), Outcome(accounts=10, answers=100, flagged=10, reasons={})),
    ]

    told = price(rounds, limit=200)

    assert told["ratio"] == 20
    assert told["needs_against_limits"] == 5000
    assert told["needs_against_scan"] == 100_000


def test_a_scan_that_never_flags_costs_nothing() -> None:
    """The ratio is never below one: limits on single accounts hold beside the scan."""
    rounds = [(Strategy(each=50), Outcome(accounts=2, answers=400, flagged=0, reasons={}))]

    assert price(rounds, limit=100)["ratio"] == 1
