"""What must be known of accounts and campaigns before anything is done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stillwatch.records.actions import Scope
from stillwatch.records.words import AccountId, CampaignId

__all__ = ["Known", "KnownAccount", "KnownCampaign", "Owner", "Use"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The organisation that an account names, over all its accounts.

    Attributes:
        is_whole_on_one_domain: All its accounts are on one e-mail domain.
        payers: Different cards or banks that its accounts pay with.
        main_payer: The commonest of them; None where none is known.
    """

    organisation: str
    accounts: int
    is_whole_on_one_domain: bool = False
    payers: int = 0
    main_payer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAccount:
    """What the log says of an account beside what it asked.

    Attributes:
        verified, since: How and since when its organisation is verified (`organization_verified`,
            `organization_since`).
        verification: Of the account itself.
        is_closed: It is banned or closed already.
        was_restored: A closure was taken back by a person.
        output_tokens: Of its own, over the log.
    """

    account_id: AccountId
    plan: str | None = None
    created_at: datetime | None = None
    is_closed: bool = False
    was_restored: bool = False
    verification: str | None = None
    owner: Owner | None = None
    verified: str | None = None
    since: datetime | None = None
    payer: str | None = None
    exchanges: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCampaign:
    """A campaign as the findings have it.

    Attributes:
        accounts: Number of members.
        error_rate: The false discovery rate the scan was asked for.
        is_stale: Something of what it rests on was erased or corrected since.
    """

    campaign_id: CampaignId
    accounts: int
    fdr_q: float
    error_rate: float
    first_seen: datetime
    last_seen: datetime
    is_stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A credential, conversation or shape that served a campaign in one account.

    Attributes:
        exchanges: All of the subject; of a shape, over the whole log.
        serving: Those that are attributed to the campaign.
        output_tokens: Of those that serve it.
        is_reported_leaked: Its owner, or somebody who found it, said so.
        is_only_one: The account has no other credential, so that whoever loses it loses the account.
    """

    scope: Scope
    subject: str
    exchanges: int
    serving: int
    last_at: datetime
    output_tokens: int = 0
    is_reported_leaked: bool = False
    is_only_one: bool = False

    @property
    def share(self) -> float:
        """Part of it that serves the campaign."""
        return self.serving / self.exchanges if self.exchanges else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All of it, for the members of the campaigns at hand.

    Attributes:
        uses: What served a campaign in an account.
        log_accounts, log_output_tokens: Of the whole log.
        is_by_plan: The log has no verification of organisations: `enterprise` and `partner` stand
            for it.
        allowed: Organisations on the allow-list.
        cleared: Accounts, by campaign, that a person cleared.
    """

    accounts: Mapping[AccountId, KnownAccount]
    campaigns: Mapping[CampaignId, KnownCampaign]
    uses: Mapping[tuple[CampaignId, AccountId], tuple[Use, ...]] = field(default_factory=dict)
    log_accounts: int = 0
    log_output_tokens: int = 0
    is_by_plan: bool = False
    allowed: frozenset[str] = frozenset()
    cleared: frozenset[tuple[CampaignId, AccountId]] = frozenset()
