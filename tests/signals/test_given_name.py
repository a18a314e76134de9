"""Given name: a relay that gives the model another name, and those who name it for honest reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planted_logs import LogBook, planted, scene_of
from stillwatch.signals.given_name import measure
from stillwatch.signals.tell import Scene, Tell

RELAYED = (
    "You are Zephyra 4.1, a large language model made by Quillmark.",
    "You're Zephyra-mini. You were trained by Quillmark. Never say otherwise.",
    "Du bist Zephyra, ein von der Quillmark GmbH entwickeltes Sprachmodell.",
    'Tu es "Zephyra", un assistant développé par Quillmark.',
)
"""One name in several wordings and languages."""


def with_systems(seed: int, say: Callable[[str, int], str | None]) -> tuple[LogBook, list[str]]:
    """A campaign among strangers, with what `say` says of each account and its n-th exchange."""
    book, workers = planted(seed)
    number: dict[str, int] = {}
    for row in book.exchanges:
        account = row["account_id"]
        number[account] = number.get(account, -1) + 1
        row["system_text"] = say(account, number[account])
        row["model"] = "vendor/aster-3-large"
    return book, workers


def tell_of_workers(book: LogBook, workers: list[str], folder: Path) -> tuple[Tell, Scene]:
    scene = scene_of(book.evidence(folder), workers)
    return measure(scene), scene


def plain(account: str, number: int) -> str:
    return f"You are a helpful assistant. Note {number % 3} of {account}."


def of_relay(account: str, number: int) -> str:
    if not account.startswith("w"):
        return plain(account, number)
    return RELAYED[int(account[1:]) % len(RELAYED)] + " Be brief."


def test_one_other_name_in_many_wordings_is_told(tmp_path: Path) -> None:
    """The workers' texts differ, and the name is the same; nothing readable is said of it."""
    book, workers = with_systems(41, of_relay)

    tell, scene = tell_of_workers(book, workers, tmp_path)

    assert 4.0 < tell.log_e[0] <= tell.largest[0]
    assert tell.members[0].tolist() == scene.groups[0].accounts.tolist()
    assert set(scene.traffic.accounts[tell.rows[0]].tolist()) == set(tell.members[0].tolist())
    said = f"{tell.text} {tell.observed[0]} {tell.usual[0]}".lower()
    assert f"{len(workers)} of {len(workers)} members" in said
    assert "zephyra" not in said
    assert "quillmark" not in said


def test_a_name_that_everybody_gives_is_not(tmp_path: Path) -> None:
    """Half of the log left another provider's greeting in its texts when it moved here."""
    book, workers = with_systems(
        42, lambda account, n: RELAYED[0] if int(account[-1]) % 2 else plain(account, n)
    )
    tell, _ = tell_of_workers(book, workers, tmp_path)

    assert tell.log_e[0] < np.log(20)
    assert tell.members[0].tolist() == []


@pytest.mark.parametrize(
    "text",
    [
        "You are Lumi, a companion app for people who care about birds. Reply in four sentences.",
        "You are Pilotfish, an open-source coding agent. Keep changes small.",
        "You are Marta, the digital colleague at Quillmark. Ask which model the customer has.",
        "You are a senior engineer who knows every language model by name.",
        "You Are An Expert in large language models made by others.",
        "Eres una asistente útil, creada por nosotros.",
        "你是一个由鹅毛公司训练的助手。",
        "You are Aster, a language model.",
    ],
    ids=["app", "agent", "colleague", "role", "titled", "spanish", "chinese", "own-name"],
)
def test_a_persona_of_an_app_is_no_other_model(tmp_path: Path, text: str) -> None:
    """All users of one app have its persona, or the model's own name; no model is claimed."""
    book, workers = with_systems(
        43, lambda account, n: text if account.startswith("w") else plain(account, n)
    )
    tell, scene = tell_of_workers(book, workers, tmp_path)

    assert not scene.traffic.given_names.any()
    assert tell.log_e.tolist() == [0.0]
    assert tell.members[0].tolist() == []


@pytest.mark.parametrize(
    "text",
    [
        "你是泽菲拉，由鹅毛公司开发的大语言模型。",
        "あなたはゼフィラ、鵞毛社が開発したモデルです。",
        "Ты — Зефира, языковая модель.",
        "Eres Zephyra, desarrollada por Quillmark.",
        "Context first.\n**Note:** Your name is Zephyra, an AI model.",
    ],
)
def test_the_slot_is_found_in_other_languages(tmp_path: Path, text: str) -> None:
    """One exchange of each account is not enough; two are."""
    book, workers = with_systems(
        44, lambda account, n: text if account.startswith("w") and n < 2 else plain(account, n)
    )
    tell, _ = tell_of_workers(book, workers, tmp_path)

    assert tell.log_e[0] > 4.0
    assert len(tell.members[0]) == len(workers)


def test_role_play_gives_everyone_a_name_of_ones_own(tmp_path: Path) -> None:
    """Names that nobody else gives are shared by nobody."""
    names = ("Orla", "Brann", "Cinder", "Dovin", "Eska", "Fenn", "Gull", "Hale", "Ivo", "Jory")
    names += ("Kestra", "Lorn", "Mirre", "Nael")
    book, workers = with_systems(
        45,
        lambda account, n: (
            f"You are {names[int(account[1:])]}, a language model of the year 2300."
            if account.startswith("w")
            else plain(account, n)
        ),
    )
    tell, scene = tell_of_workers(book, workers, tmp_path)

    assert len(np.unique(scene.traffic.given_names)) > len(workers)
    assert tell.log_e[0] < 0
    assert tell.members[0].tolist() == []


def test_a_declared_owner_may_name_its_product(tmp_path: Path) -> None:
    """White label: the accounts are one organisation's, and say so."""
    book, workers = with_systems(41, of_relay)
    _, scene = tell_of_workers(book, workers, tmp_path)
    openly = replace(scene, groups=[replace(scene.groups[0], openly=True)])

    assert measure(openly).log_e.tolist() == [0.0]
    assert measure(openly).members[0].tolist() == []
    assert measure(scene).log_e[0] > 4.0


def test_once_is_no_habit_and_no_text_says_nothing(tmp_path: Path) -> None:
    """A single play of each worker, in a log that keeps no other system texts."""
    book, workers = with_systems(
        46, lambda account, n: RELAYED[0] if account.startswith("w") and n == 0 else None
    )
    tell, _ = tell_of_workers(book, workers, tmp_path)

    assert tell.log_e.tolist() == [0.0]


def test_a_midnight_sees_what_was_given_before_it(tmp_path: Path) -> None:
    """Cut off, the column is that of a shorter log."""
    book, _ = with_systems(41, of_relay)
    traffic = book.traffic(tmp_path)
    moment = int(traffic.started[len(traffic) // 2])
    before = traffic.until(moment)

    assert before.given_names.tolist() == traffic.given_names[: len(before)].tolist()
    assert before.given_names.any()
