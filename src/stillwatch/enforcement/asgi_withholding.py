"""One request of a linked group from which something is withheld, on its way in and out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from stillwatch.enforcement.answers import (
    Refusal,
    Wording,
    model_refusal,
    reasoning_refusal,
    shape_of,
)
from stillwatch.enforcement.asgi_bodies import AnswerEdits, RequestBody
from stillwatch.enforcement.asgi_connection import Connection, Send, with_headers
from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.bound_reasoning import conversation_of, opened, sealed
from stillwatch.enforcement.json_cuts import UnreadableError
from stillwatch.enforcement.new_models import NewModels
from stillwatch.enforcement.reasoning_seal import Binding, ReasoningSeal, SealError
from stillwatch.enforcement.request_facts import RequestFacts, facts_of_body
from stillwatch.enforcement.withholding import Withheld, changes_answers, withheld_request
from stillwatch.records.actions import Countermeasure

__all__ = ["WithheldRequest"]

# Ways of answering by which the bytes do not come past us.
_PAST_US = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


@dataclass(slots=True, kw_only=True)
class WithheldRequest:
    """Takes what asks for it out of the request, and what is kept back out of the answer.

    Attributes:
        account: A steady name of who asks, to which reasoning is bound.
        now: Seconds since 1970.
        is_unread: Whether the request was to be edited, and could not be read.
    """

    asked: Asked
    decision: Decision
    wording: Wording
    new_models: NewModels | None
    seal: ReasoningSeal | None
    account: str
    now: float
    is_unread: bool = False
    _binding: Binding | None = None
    _length: int | None = None

    @property
    def needs_body(self) -> bool:
        """Whether the request's body must be read."""
        no_logprobs = Countermeasure.NO_LOG_PROBABILITIES in self.decision.countermeasures
        return no_logprobs or self._caps or self._binds

    @property
    def _caps(self) -> bool:
        wanted = Countermeasure.CAP_NEW_MODELS in self.decision.countermeasures
        return wanted and self.new_models is not None

    @property
    def _binds(self) -> bool:
        return (
            Countermeasure.BIND_REASONING in self.decision.countermeasures and self.seal is not None
        )

    def take(self, body: RequestBody) -> Refusal | None:
        """Edit the request, or refuse it: a model that is too new, reasoning of elsewhere."""
        if not self.needs_body:
            return None
        if not body.data:
            self.is_unread = body.is_begun and body.data is None
            return None
        facts = facts_of_body(body.data)
        shape = shape_of(self.asked.path, self.asked.headers)
        if self._caps and self._is_too_new(facts.model):
            return model_refusal(self.decision.reference, shape, wording=self.wording)
        try:
            data = withheld_request(self._opened(body.data, facts), self.decision.countermeasures)
        except SealError:
            return reasoning_refusal(self.decision.reference, shape, wording=self.wording)
        except UnreadableError:
            self.is_unread = True
            return None
        if data != body.data:
            body.replace(data)
            self._length = len(data)
        return None

    def scope(self, scope: Connection) -> Connection:
        """The connection as the application sees it: the length of the body is its new one."""
        headers = scope["headers"]
        if self._length is not None:
            stale = frozenset({b"content-length", b"transfer-encoding"})
            length = [(b"content-length", str(self._length).encode())]
            headers = with_headers(headers, without=stale, plus=length)
        if self._edits_answers:
            # What is compressed could not be read.
            headers = with_headers(headers, without=frozenset({b"accept-encoding"}))
        extensions = {
            name: value
            for name, value in (scope.get("extensions") or {}).items()
            if not (self._edits_answers and name in _PAST_US)
        }
        return {**scope, "headers": headers, "extensions": extensions}

    def edits(self, send: Send, most_bytes: int) -> AnswerEdits | None:
        """The application's `send`; None where the answer goes out as it is."""
        if not self._edits_answers:
            return None
        withheld = Withheld(self.decision.countermeasures)
        seal, binding, now = self.seal, self._binding, self.now

        def edit(body: bytes) -> bytes:
            left = withheld.answer(body)
            if seal is None or binding is None:
                return left
            return sealed(left, seal, binding, now=now)

        return AnswerEdits(send, edit, most_bytes)

    @property
    def _edits_answers(self) -> bool:
        return changes_answers(self.decision.countermeasures) or self._binding is not None

    def _is_too_new(self, model: str | None) -> bool:
        now = datetime.fromtimestamp(self.now, UTC)
        return self.new_models is not None and self.new_models.holds_back(model, now)

    def _opened(self, data: bytes, facts: RequestFacts) -> bytes:
        if not self._binds or self.seal is None:
            return data
        named = self.asked.conversation_id or facts.conversation_id
        self._binding = Binding(
            account=self.account,
            conversation=named or conversation_of(data),
            model=facts.model or "",
        )
        return opened(data, self.seal, self._binding, now=self.now)
