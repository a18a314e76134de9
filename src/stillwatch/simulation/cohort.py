"""A cohort: accounts simulated together from one seed, and the traffic they send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from stillwatch.records import Account, Credential, Role, TruthAccount
from stillwatch.simulation.frame import (
    DAY,
    MINUTE,
    MODELS,
    SECOND,
    Floats,
    Frame,
    Ints,
    moment,
    token,
)
from stillwatch.simulation.internet import Country, Internet, Origin
from stillwatch.simulation.means import Means, draw_country, draw_means
from stillwatch.simulation.rhythms import Rhythms
from stillwatch.simulation.text import TextLibrary
from stillwatch.simulation.traffic import Labels, Manner, Traffic, kept

__all__ = ["Cohort", "Customer", "Organisation"]

_BORN_IN_WINDOW = 0.14
_CLOSES_IN_WINDOW = 0.02
_BANNED_WRONGLY = 0.006
_ROTATED_KEYS = 0.12
_STARTUPS = 0.05
_QUOTA = {
    "free": 60_000,
    "individual": 1_000_000,
    "pay_as_you_go": 8_000_000,
    "team": 20_000_000,
    "edu": 2_000_000,
    "enterprise": 400_000_000,
    "partner": 2_000_000_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation that openly owns accounts."""

    id: str
    domain: str
    verified: str
    since: int
    country: Country
    payment: Means


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An open account and what its owner has at hand.

    Attributes:
        account: The row of the log.
        country: Where the owner lives.
        credential: The key or session in use.
        seed: What distinguishes this owner's words and topics from everyone else's.
        begin: First moment (us) at which it can send within the window.
        end: Last moment, exclusive.
        away: From when to when the account was closed by mistake, if it was.
    """

    account: Account
    country: Country
    credential: str
    seed: int
    begin: int
    end: int
    away: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class _Fate:
    """When and why an account was closed, and when that was taken back; moments in us."""

    closed: int | None
    status: str
    reason: str | None
    restored: int | None


@dataclass(slots=True)
class Cohort:
    """Collects the accounts and the traffic of one part of a world.

    Everything random comes from `rng`, so that a cohort is the same whichever process makes it.
    A `retention` of `no_text` keeps the text of all its exchanges out of the log.
    """

    frame: Frame
    internet: Internet
    library: TextLibrary
    rhythms: Rhythms
    rng: np.random.Generator
    key: int
    population: str
    expected: float
    group: str | None = None
    retention: str = "full"
    customers: list[Customer] = field(default_factory=list)
    credentials: list[Credential] = field(default_factory=list)
    truth: list[TruthAccount] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)
    conversations: int = 0

    def organisation(
        self, *, verified: str = "contract", country: Country | None = None
    ) -> Organisation:
        """A company, school or vendor, declared long before the window unless `none`."""
        country = country or draw_country(self.rng)
        number = int(self.rng.integers(1 << 40))
        domain = f"org-{number % 10**8}.example"
        return Organisation(
            id=token("org", self.frame.seed, self.key, number),
            domain=domain,
            verified=verified,
            since=self.frame.start - int(self.rng.integers(40, 700)) * DAY,
            country=country,
            payment=draw_means(self.rng, country, domain=domain),
        )

    def open(
        self,
        *,
        plan: str | None = None,
        organisation: Organisation | None = None,
        country: Country | None = None,
        means: Means | None = None,
        payment_bin: str | None = None,
        signup: Origin | None = None,
        born: int | None = None,
        verification: str = "none",
        lasting: bool = False,
        banned_at: int | None = None,
        campaign: str | None = None,
        role: Role | None = None,
    ) -> Customer:
        """Open an account; what is not given is drawn as for an unrelated honest customer.

        Args:
            plan: Contract; drawn from free, individual and pay-as-you-go if absent.
            organisation: Declared owner.
            country: Where the owner lives.
            means: Card, mail, telephone and device.
            payment_bin: Issuer of the card, in place of the one drawn.
            signup: Where it signed up from.
            born: Moment of sign-up, us; mostly long ago if absent.
            verification: What the provider verified.
            lasting: The account neither closes nor is banned within the window.
            banned_at: Moment at which it was banned, us.
            campaign: Campaign of the truth.
            role: Its part in that campaign.
        """
        rng = self.rng
        country = country or (organisation.country if organisation else draw_country(rng))
        means = means or self._usual_means(country, organisation)
        if payment_bin is not None:
            means = replace(means, payment_bin=payment_bin)
        plan = plan or str(rng.choice(["free", "individual", "pay_as_you_go"], p=[0.5, 0.3, 0.2]))
        if verification == "none" and plan == "pay_as_you_go" and rng.random() < _STARTUPS:
            verification = "startup"
        created = self._birth() if born is None else born
        fate = self._fate(created, lasting=lasting, banned_at=banned_at)
        signup = signup or self.internet.home(rng, country)
        account = Account(
            account_id=token("acct", self.frame.seed, self.key, len(self.customers)),
            created_at=moment(created),
            closed_at=_moment_or_none(fate.closed),
            status=fate.status,
            closed_reason=fate.reason,
            restored_at=_moment_or_none(fate.restored),
            quota_tokens_day=_QUOTA.get(plan),
            plan=plan,
            organization_id=organisation.id if organisation else None,
            organization_since=moment(organisation.since) if organisation else None,
            organization_verified=organisation.verified if organisation else None,
            verification=verification,
            email_domain=means.email_domain,
            email_token=means.email,
            payment_token=None if plan == "free" else means.payment,
            payment_bin=None if plan == "free" else means.payment_bin,
            phone_token=means.phone,
            device_token=means.device,
            signup_ip=signup.ip,
            signup_net_token=signup.net_token,
            signup_asn=signup.asn,
            country=country.code,
            billing_country=None if plan == "free" else country.code,
        )
        self.truth.append(
            TruthAccount(
                account_id=account.account_id,
                population=self.population,
                honest_group=None if campaign else self.group,
                campaign=campaign,
                role=role.value if role else None,
            )
        )
        return self._enter(account, country, created, fate)

    def _usual_means(self, country: Country, organisation: Organisation | None) -> Means:
        """A customer's own means, or an own address on the organisation's domain and its card."""
        if organisation is None:
            return draw_means(self.rng, country)
        own = draw_means(self.rng, country, domain=organisation.domain)
        shared = organisation.payment
        return replace(own, payment=shared.payment, payment_bin=shared.payment_bin)

    def _enter(self, account: Account, country: Country, created: int, fate: _Fate) -> Customer:
        """Issue a credential, and note when the account can send."""
        rng, frame = self.rng, self.frame
        final = fate.closed if fate.closed and fate.restored is None else None
        customer = Customer(
            account=account,
            country=country,
            credential=token("key", frame.seed, self.key, len(self.customers)),
            seed=int(rng.integers(1 << 31)),
            begin=max(frame.start, created + MINUTE),
            end=min(frame.end, final or frame.end),
            away=(fate.closed, fate.restored) if fate.closed and fate.restored else (0, 0),
        )
        self.customers.append(customer)
        self.credentials.append(
            Credential(
                credential_id=customer.credential,
                account_id=account.account_id,
                created_at=moment(created + int(rng.integers(1, 60)) * SECOND),
                revoked_at=_moment_or_none(final),
            )
        )
        if rng.random() < _ROTATED_KEYS and created < frame.start:
            self._add_rotated_key(account.account_id, created)
        return customer

    def open_beside(
        self,
        other: Customer,
        *,
        plan: str,
        device: bool = False,
        signup: Origin | None = None,
        born: int | None = None,
    ) -> Customer:
        """An account paid with another's card, and perhaps opened on the same device."""
        own = draw_means(self.rng, other.country)
        shared = replace(
            own,
            payment=other.account.payment_token or own.payment,
            payment_bin=other.account.payment_bin or own.payment_bin,
            device=other.account.device_token if device else own.device,
        )
        return self.open(plan=plan, country=other.country, means=shared, signup=signup, born=born)

    def _add_rotated_key(self, account_id: str, created: int) -> None:
        """A key from before the window that has long been replaced."""
        retired = created + int(self.rng.random() * (self.frame.start - created))
        self.credentials.append(
            Credential(
                credential_id=token("key", self.frame.seed, self.key, account_id),
                account_id=account_id,
                created_at=moment(created),
                revoked_at=moment(retired),
            )
        )

    def account_rows(self) -> list[Account]:
        """The rows of the accounts, in order of opening."""
        return [customer.account for customer in self.customers]

    def report_leak(self, customer: Customer, at: int) -> None:
        """The customer's credential is reported as leaked, and revoked the next day."""
        position = next(
            i for i, c in enumerate(self.credentials) if c.credential_id == customer.credential
        )
        self.credentials[position] = replace(
            self.credentials[position],
            reported_leaked_at=moment(at),
            revoked_at=moment(at + DAY),
        )

    def _birth(self) -> int:
        if self.rng.random() < _BORN_IN_WINDOW:
            return int(self.frame.start + self.rng.random() * 0.9 * self.frame.days * DAY)
        return int(self.frame.start - self.rng.exponential(230) * DAY - DAY)

    def _fate(self, created: int, *, lasting: bool, banned_at: int | None) -> _Fate:
        if banned_at is not None:
            return _Fate(banned_at, "banned", "terms_of_use", None)
        first = max(created, self.frame.start)
        closed = int(first + (0.2 + 0.8 * self.rng.random()) * (self.frame.end - first))
        luck = self.rng.random()
        if lasting or luck > _CLOSES_IN_WINDOW + 2 * _BANNED_WRONGLY:
            return _Fate(None, "active", None, None)
        if luck < _BANNED_WRONGLY:
            return _Fate(closed, "banned", "payment_dispute", None)
        if luck < 2 * _BANNED_WRONGLY:
            restored = closed + int(self.rng.integers(1, 3)) * DAY
            return _Fate(closed, "active", "automated_review", restored)
        return _Fate(closed, "closed", "requested", None)

    def volumes(self, count: int, *, spread: float) -> Ints:
        """How much each of `count` accounts sends: heavy-tailed, with the expected total."""
        drawn: Floats = self.rng.lognormal(0.0, spread, count)
        wanted = drawn / drawn.sum() * self.expected
        whole = np.floor(wanted)
        extra = self.rng.random(count) < wanted - whole
        counts: Ints = np.maximum(1, (whole + extra).astype(np.int64))
        return counts

    def conversation_numbers(self, count: int) -> Ints:
        """New conversation numbers, unique within the cohort."""
        first = self.conversations
        self.conversations += count
        return np.arange(first, first + count)

    def models(self, started: Ints, *, usual: str, eagerness: float) -> list[str]:
        """The model each request asks for; with some eagerness the newest one once it is there."""
        if self.rng.random() >= eagerness:
            return [usual] * len(started)
        adopts = self.frame.release + int(self.rng.exponential(1.6) * DAY)
        newest = list(MODELS)[-1]
        return [newest if at >= adopts else usual for at in started.tolist()]

    def send(
        self,
        customer: Customer,
        manner: Manner,
        *,
        started: Ints,
        inputs: Sequence[str],
        origins: Sequence[Origin],
        origin_of: Ints | None = None,
        model: str | Sequence[str] = "aster-3-large",
        systems: Sequence[str | None] | None = None,
        conversation: Ints | None = None,
        turn: Ints | None = None,
        credential: str | None = None,
        **lists: Any,
    ) -> None:
        """Record what a customer sends; requests outside the account's life are left out.

        Args:
            customer: Who is billed.
            manner: How it asks.
            started: Moments, us.
            inputs: The new content of each request.
            origins: Addresses in use.
            origin_of: Which of them each request comes from; the first if absent.
            model: The model asked for, one for all or one each.
            systems: System instructions, if they change.
            conversation: Conversation numbers.
            turn: Turn within the conversation.
            credential: Another credential than the customer's own.
            lists: Further lists of `Traffic`, one value a request.
        """
        count = min(len(started), len(inputs))
        started = self.frame.after_outage(self.rng, np.asarray(started[:count], np.int64))
        away = (started >= customer.away[0]) & (started < customer.away[1])
        keep = np.nonzero((started >= customer.begin) & (started < customer.end) & ~away)[0]
        if not len(keep):
            return
        if origin_of is None:
            places = [origins[0]] * count
        else:
            places = [origins[i] for i in origin_of[:count].tolist()]
        models = [model] * count if isinstance(model, str) else list(model)[:count]
        texts = [manner.system] * count if systems is None else list(systems)[:count]
        self.traffic.append(
            Traffic(
                account_id=customer.account.account_id,
                credential_id=credential or customer.credential,
                manner=manner,
                started=started[keep],
                inputs=kept(list(inputs)[:count], keep) or [],
                origins=kept(places, keep) or [],
                models=kept(models, keep) or [],
                systems=kept(texts, keep) or [],
                conversation=None if conversation is None else conversation[:count][keep],
                turn=None if turn is None else turn[:count][keep],
                **{name: _kept_list(values, keep, count) for name, values in lists.items()},
            )
        )


def _kept_list(values: Any, keep: Ints, count: int) -> Any:
    if isinstance(values, Labels):
        return Labels(
            campaign=values.campaign,
            targets=kept(values.targets[:count], keep) or [],
            items=kept(values.items[:count], keep) or [],
        )
    return None if values is None else kept(list(values)[:count], keep)


def _moment_or_none(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else moment(microseconds)
