"""The shape of an exchange is the same from its row of the log and at a gateway."""

from __future__ import annotations

from acting import GATEWAY_KEYS, TOKENISER

from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.identifying import Identifier
from stillwatch.identity.shapes import shape_of_row

_SYSTEM = "You rate each answer from one to ten and say why, step by step."
_ROW = {"model": "tern-2", "system_text": _SYSTEM, "tool_names": ["search", "run"]}


def test_a_row_and_a_request_of_one_shape_have_one_token() -> None:
    """Under the lake's key and under a gateway's; spaces around and the order of tools aside."""
    asked = Asked(model="tern-2", system_text=f" {_SYSTEM}\n", tool_names=("run", "search", "run"))

    shape = Identifier(GATEWAY_KEYS).identity_of(asked).shape
    assert shape is not None
    assert shape_of_row(TOKENISER, _ROW) == f"shape_{shape.hex()}"


def test_another_model_text_or_tool_is_another_shape() -> None:
    """Each part counts."""
    others = [{"model": "tern-3"}, {"system_text": f"{_SYSTEM} Be brief."}, {"tool_names": None}]
    shapes = {shape_of_row(TOKENISER, _ROW | other) for other in ({}, *others)}

    assert len(shapes) == 4


def test_what_everybody_sends_has_no_shape() -> None:
    """Without a model, or with a system text of no length: an action would be on everybody."""
    for other in ({"model": None}, {"system_text": None}, {"system_text": "Be helpful."}):
        assert shape_of_row(TOKENISER, _ROW | other) is None
    assert Identifier(GATEWAY_KEYS).identity_of(Asked(model="tern-2")).shape is None
