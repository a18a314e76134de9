"""What `withhold` keeps back from a linked group: log-probabilities and reasoning.

An answer is never falsified: parts are cut out, and what remains is the model's own, byte for
byte. Bodies are JSON in the shapes of OpenAI (chat, completions and responses, with the fields that
vLLM, LiteLLM and OpenRouter add) and Anthropic (messages); the events of a stream are taken
apart in `event_streams`, each as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from stillwatch.enforcement.json_cuts import Document, Node
from stillwatch.enforcement.reasoning_in_text import ReasoningInText, Shortened
from stillwatch.records.actions import Countermeasure

__all__ = ["COSTS", "Withheld", "changes_answers", "withheld_request"]

COSTS: Mapping[Countermeasure, str] = MappingProxyType(
    {
        Countermeasure.NO_LOG_PROBABILITIES: (
            "Programs that rank, calibrate or score by log-probabilities find none."
        ),
        Countermeasure.SUMMARISE_REASONING: (
            "Reasoning ends after its beginning; a provider may refuse shortened reasoning that"
            " is sent in again with a tool's result."
        ),
        Countermeasure.REMOVE_REASONING: (
            "No reasoning is shown; a provider may refuse emptied reasoning that is sent in again"
            " with a tool's result."
        ),
        Countermeasure.BIND_REASONING: (
            "Reasoning from before it began, from another model or from a conversation whose"
            " first message was cut off is refused until the client leaves it out."
        ),
        Countermeasure.CAP_NEW_MODELS: "Models younger than the limit cannot be used.",
    }
)
"""What each costs an honest customer if we were wrong."""

_OF_ANSWERS = frozenset(
    {
        Countermeasure.NO_LOG_PROBABILITIES,
        Countermeasure.SUMMARISE_REASONING,
        Countermeasure.REMOVE_REASONING,
    }
)
_LOG_PROBABILITIES = frozenset({"logprobs", "top_logprobs", "prompt_logprobs"})
_INCLUDED = "message.output_text.logprobs"
# Enough to see what a model is at, and too little to learn from.
_SUMMARY_CHARACTERS = 200
_REASONING_TEXTS = ("reasoning_content", "reasoning", "thinking")
_REASONING_LISTS = ("thinking_blocks", "reasoning_details")
_TEXTS_IN_LISTS = ("thinking", "text", "summary")


def changes_answers(countermeasures: frozenset[Countermeasure]) -> bool:
    """Whether anything is cut out of answers, so that they must be read."""
    return not countermeasures.isdisjoint(_OF_ANSWERS)


def withheld_request(body: bytes, countermeasures: frozenset[Countermeasure]) -> bytes:
    """The request without the fields that ask for what is kept back.

    Raises:
        UnreadableError: The body is no JSON.
    """
    if Countermeasure.NO_LOG_PROBABILITIES not in countermeasures:
        return body
    document = Document(body)
    document.drop_members(document.root, lambda member: member.name in _LOG_PROBABILITIES)
    for included in document.at(document.root, "include"):
        document.drop_items(included, lambda item: document.string(item) == _INCLUDED)
    return document.result()


@dataclass(slots=True)
class Withheld:
    """Takes what is kept back out of one answer: a whole body, or the events of one stream.

    Reasoning that comes in pieces is counted over all of them, so an object serves one answer.

    Attributes:
        summary_characters: How much of each piece of reasoning `summarise_reasoning` leaves.
    """

    countermeasures: frozenset[Countermeasure]
    summary_characters: int = _SUMMARY_CHARACTERS
    _kept: dict[tuple[str, int, int], Callable[[str], bool]] = field(default_factory=dict)

    def answer(self, body: bytes) -> bytes:
        """The body of an answer, or the data of one event, without what is kept back.

        Raises:
            UnreadableError: The body is no JSON.
        """
        document = Document(body)
        if Countermeasure.NO_LOG_PROBABILITIES in self.countermeasures:
            _drop_log_probabilities(document)
        if self._limit is not None:
            self._shorten(document, document.root)
        return document.result()

    @property
    def _limit(self) -> int | None:
        """How many characters of reasoning are left; None leaves all."""
        if Countermeasure.REMOVE_REASONING in self.countermeasures:
            return 0
        summarised = Countermeasure.SUMMARISE_REASONING in self.countermeasures
        return self.summary_characters if summarised else None

    def _shorten(self, document: Document, root: Node) -> None:
        for choice in document.at(root, "choices", "*"):
            self._shorten_choice(document, choice)
        self._shorten_message(document, root)
        self._shorten_response(document, root)

    def _shorten_choice(self, document: Document, choice: Node) -> None:
        """OpenAI's chat and completions; models that write reasoning into their answer."""
        index = document.number(choice, "index")
        for text in document.at(choice, "text"):
            document.cut_text(text, self._in_text(index))
        for name in ("message", "delta"):
            for message in document.at(choice, name):
                self._shorten_fields(document, message, index)
                for content in document.at(message, "content"):
                    document.cut_text(content, self._in_text(index))
                for more in document.at(message, "provider_specific_fields"):
                    self._shorten_fields(document, more, index, where="more")

    def _shorten_fields(
        self, document: Document, message: Node, index: int, *, where: str = ""
    ) -> None:
        for name in _REASONING_TEXTS:
            for text in document.at(message, name):
                document.cut_text(text, self._first(where + name, index))
        for name in _REASONING_LISTS:
            for number, part in enumerate(document.at(message, name, "*")):
                # In a stream each piece is a list of its own, and says which it goes on.
                part_index = document.number(part, "index") or number
                for key in _TEXTS_IN_LISTS:
                    for text in document.at(part, key):
                        kept = self._first(f"{where}{name}.{key}", index, part_index)
                        document.cut_text(text, kept)

    def _shorten_message(self, document: Document, root: Node) -> None:
        """Anthropic's messages, whole and as events."""
        index = document.number(root, "index")
        blocks = [*enumerate(document.at(root, "content", "*"))]
        blocks += [(index, block) for block in document.at(root, "content_block")]
        blocks += [(index, delta) for delta in document.at(root, "delta")]
        for number, block in blocks:
            if document.says(block, "type") in ("thinking", "thinking_delta"):
                for text in document.at(block, "thinking"):
                    document.cut_text(text, self._first("block", number))

    def _shorten_response(self, document: Document, root: Node) -> None:
        """OpenAI's responses, whole and as events."""
        kind = document.says(root, "type") or ""
        if kind.startswith("response.reasoning"):
            self._shorten_event(document, root, is_summary="summary" in kind)
        items = [*document.at(root, "output", "*"), *document.at(root, "item")]
        items += document.at(root, "response", "output", "*")
        for item in items:
            if document.says(item, "type") == "reasoning":
                for text in document.at(item, "content", "*", "text"):
                    document.cut_text(text, self._whole())
                for text in document.at(item, "summary", "*", "text"):
                    document.cut_text(text, self._summary())

    def _shorten_event(self, document: Document, event: Node, *, is_summary: bool) -> None:
        index = document.number(event, "output_index")
        part = document.number(event, "content_index")
        for delta in document.at(event, "delta"):
            is_kept = self._summary() if is_summary else self._first("event", index, part)
            document.cut_text(delta, is_kept)
        # These say the whole text once more.
        for text in (*document.at(event, "text"), *document.at(event, "part", "text")):
            document.cut_text(text, self._summary() if is_summary else self._whole())

    def _first(self, what: str, index: int, part: int = 0) -> Callable[[str], bool]:
        """Keeps the beginning of what comes in pieces under one name."""
        shortened = Shortened(self._limit or 0)
        return self._kept.setdefault((what, index, part), shortened.keeps)

    def _in_text(self, index: int) -> Callable[[str], bool]:
        reasoning = ReasoningInText(self._limit or 0)
        return self._kept.setdefault(("in text", index, 0), reasoning.keeps)

    def _whole(self) -> Callable[[str], bool]:
        return Shortened(self._limit or 0).keeps

    def _summary(self) -> Callable[[str], bool]:
        """Keeps the provider's own summary where reasoning is to be summarised."""
        return lambda _character: bool(self._limit)


def _drop_log_probabilities(document: Document) -> None:
    root = document.root
    document.drop_members(root, lambda member: member.name == "prompt_logprobs")
    for choice in document.at(root, "choices", "*"):
        document.drop_members(choice, lambda member: member.name in _LOG_PROBABILITIES)
    parts = [root, *document.at(root, "part"), *document.at(root, "item", "content", "*")]
    parts += document.at(root, "output", "*", "content", "*")
    parts += document.at(root, "response", "output", "*", "content", "*")
    for part in parts:
        for listed in document.at(part, "logprobs"):
            # Clients of the responses API expect the list, if an empty one.
            document.empty(listed)
