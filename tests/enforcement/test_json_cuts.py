"""What remains after a cut is the text's own, byte for byte, and says what a parser would say."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.json_cuts import Document, Node, UnreadableError

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["secret", "b", "c", "ß"]), inner, max_size=4)
    ),
    max_leaves=20,
)
_WRITTEN = st.builds(
    lambda value, indent, is_ascii: json.dumps(value, indent=indent, ensure_ascii=is_ascii),
    _VALUES,
    st.sampled_from([None, 0, 3]),
    st.booleans(),
)


@settings(deadline=None)
@given(_WRITTEN)
def test_what_is_not_cut_is_the_body_itself(written: str) -> None:
    """Spaces, escapes and numbers stay as they were written."""
    body = written.encode("utf-8", "surrogatepass")

    try:
        assert Document(body).result() is body
    except UnreadableError:
        assert b"\xed" in body


@settings(deadline=None)
@given(_WRITTEN)
def test_members_and_items_are_cut_as_a_parser_would_drop_them(written: str) -> None:
    """Every `secret` and every null, however deep, with the commas that go with them."""
    try:
        document = Document(written.encode("utf-8", "surrogatepass"))
    except UnreadableError:
        return
    _cut_everywhere(document, document.root)
    left = document.result()

    assert json.loads(left) == _dropped(json.loads(written))
    assert _is_part(left.decode(), written)


@settings(deadline=None)
@given(st.text(), st.integers(0, 20), st.booleans())
def test_a_text_is_cut_after_so_many_characters(text: str, limit: int, is_ascii: bool) -> None:
    """No escape and no pair of surrogates is cut in two."""
    written = json.dumps({"t": text}, ensure_ascii=is_ascii)
    try:
        document = Document(written.encode("utf-8", "surrogatepass"))
    except UnreadableError:
        return
    left = iter(range(limit))
    for node in document.at(document.root, "t"):
        document.cut_text(node, lambda _character: next(left, None) is not None)

    assert json.loads(document.result()) == {"t": text[:limit]}


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but `UnreadableError` is raised."""
    with suppress(UnreadableError):
        assert Document(body).result() == body


@pytest.mark.parametrize("body", [b"", b"[" * 5_000, b"[" * 150 + b"]" * 150, b"\xff", b"{'a':1}"])
def test_what_is_no_json_of_ours_is_refused(body: bytes) -> None:
    """Depth included, without a recursion error."""
    with pytest.raises(UnreadableError):
        Document(body)


def test_a_name_is_found_however_it_is_written_and_however_often() -> None:
    """An escape in a name, or a second member of the name, hides nothing."""
    document = Document(rb'{"logprobs": 1, "a": 2, "logpr\u006fbs": 3}')
    document.drop_members(document.root, lambda member: member.name == "logprobs")

    assert document.result() == b'{"a": 2}'


def _cut_everywhere(document: Document, node: Node) -> None:
    document.drop_members(node, lambda member: member.name == "secret")
    document.drop_items(node, lambda item: document.text[item.start : item.end] == "null")
    for inner in (*(member.value for member in node.members), *node.items):
        _cut_everywhere(document, inner)


def _dropped(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _dropped(v) for k, v in value.items() if k != "secret"}
    if isinstance(value, list):
        return [_dropped(item) for item in value if item is not None]
    return value


def _is_part(left: str, whole: str) -> bool:
    """Whether the one is the other with characters left out."""
    characters = iter(whole)
    return all(character in characters for character in left)
