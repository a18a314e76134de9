"""What is thought of an account, and what is done: the two are kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stillwatch.records.words import AccountId, CampaignId, Role, Target

__all__ = ["Action", "ActionState", "Countermeasure", "Scope", "Step", "Verdict"]


class Step(StrEnum):
    """What may be done, from the mildest to the hardest."""

    OBSERVE = "observe"
    """Nothing that anybody could notice: it is counted."""
    TAG = "tag"
    """The request goes on with a mark that those behind the gateway may read."""
    VERIFY = "verify"
    """The request is refused until the customer has proved who they are."""
    THROTTLE = "throttle"
    """The linked group shares a small budget of requests."""
    WITHHOLD = "withhold"
    """The answer goes out without what is worth collecting; it is never falsified."""
    BLOCK = "block"
    """The request is refused."""

    @property
    def rank(self) -> int:
        """Its place from the mildest (0) to the hardest (5)."""
        return _RANKS[self]

    def at_most(self, limit: Step) -> Step:
        """This step, or `limit` where this one is harder."""
        return self if self.rank <= limit.rank else limit

    def within(self, possible: frozenset[Step]) -> Step:
        """This step, or the next milder one that is possible; `observe` always is."""
        milder = [step for step in possible if step.rank <= self.rank]
        return max(milder, key=lambda step: step.rank, default=Step.OBSERVE)


_RANKS = {step: rank for rank, step in enumerate(Step)}


class Scope(StrEnum):
    """What an action is about: the whole account, or only what serves the campaign."""

    ACCOUNT = "account"
    CREDENTIAL = "credential"
    CONVERSATION = "conversation"
    SHAPE = "shape"
    """Requests that look like the campaign's own: of the account, or of anybody where
    `account_id` is empty."""


class ActionState(StrEnum):
    """How far an action has come."""

    SHADOW = "shadow"
    """It says what would have been done; no gateway ever sees it."""
    WAITING = "waiting"
    """It needs a second person's approval, or its moment has not come."""
    IN_FORCE = "in_force"
    LIFTED = "lifted"
    EXPIRED = "expired"
    REFUSED = "refused"
    """The approver said no."""
    SUPERSEDED = "superseded"
    """A later scan left another step, or none, in its place; no person had a part in it."""


class Countermeasure(StrEnum):
    """What `withhold` keeps back."""

    NO_LOG_PROBABILITIES = "no_log_probabilities"
    SUMMARISE_REASONING = "summarise_reasoning"
    REMOVE_REASONING = "remove_reasoning"
    BIND_REASONING = "bind_reasoning"
    CAP_NEW_MODELS = "cap_new_models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What we think of an account's part in a campaign; it does nothing by itself.

    Attributes:
        e_value: Evidence that the account belongs (`members.e_value`).
        fdr_q: The campaign's smallest false discovery rate, between 0 and 1.
        share: Part of the account's exchanges that serve the campaign, between 0 and 1.
        credential_ids: Tokens of the credentials that served it.
    """

    campaign_id: CampaignId
    account_id: AccountId
    role: Role
    e_value: float
    fdr_q: float
    share: float
    credential_ids: tuple[str, ...]
    targets: tuple[Target, ...]
    first_flagged_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done to one subject, from a moment to a moment: every action ends by itself.

    Attributes:
        action_id: 32 hexadecimal digits.
        account_id: Who is billed for the subject. An action on a conversation or a shape is about
            this account's requests alone; of a shape it may be "", and then it is about anybody's.
        subject: The account's id, or the token of a credential, a conversation or a shape.
        group: Whose members share one budget when throttled: the campaign's id.
        requests_per_minute: The whole group's budget; only of `throttle`.
        countermeasures: What is kept back; only of `withhold`.
        reason: Why, in words for the people who decide. No customer ever sees it.
        reference: 128 random bits as 32 hexadecimal digits: what a refusal shows, and an appeal
            names. It says nothing about the action.
        proposed_by, approved_by: Names of principals.
    """

    action_id: str
    campaign_id: CampaignId
    account_id: AccountId
    scope: Scope
    subject: str
    group: str
    step: Step
    state: ActionState
    begins_at: datetime
    ends_at: datetime
    reason: str
    reference: str
    proposed_by: str
    approved_by: str | None = None
    requests_per_minute: int | None = None
    countermeasures: frozenset[Countermeasure] = frozenset()

    def in_force_at(self, moment: datetime) -> bool:
        """Whether a gateway must obey it at this moment."""
        return self.state is ActionState.IN_FORCE and self.begins_at <= moment < self.ends_at
