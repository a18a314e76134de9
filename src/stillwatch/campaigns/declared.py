"""Togetherness that was declared: an organisation that openly owns its accounts.

The rules are those of the exchange log's contract ("Declared"). Declaration explains acting as
one; it does not acquit: a group that spans organisations is tested as undeclared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stillwatch.lake.log import Log
from stillwatch.linking.groups import Group
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.traffic import Traffic

__all__ = [
    "MINIMUM",
    "AccountRecords",
    "Claim",
    "Declarations",
    "Togetherness",
    "declarations_of",
    "read_account_records",
    "take_out_declared",
]

IntArray = npt.NDArray[np.int64]

DAY = 86_400_000_000
ALWAYS = np.iinfo(np.int64).min // 2
NEVER = np.iinfo(np.int64).max // 2
NOTICE = 30 * DAY  # an organisation made for the occasion declares nothing
MINIMUM = 5  # accounts below which nothing is weighed
INSIDE = 0.8  # four fifths of the accounts
LARGEST_LOG = float(np.log(1e9))  # beyond this, mistakes in the record itself would dominate


@dataclass(frozen=True, slots=True)
class Claim:
    """What members say or show of a common owner that does not count as declared.

    A report must say so: that they name nobody would be untrue of them.

    Attributes:
        accounts: Number of members.
        naming: How many name one and the same organisation, which does not count; 0 where fewer
            than half of them, or than `MINIMUM`, do.
        verified: It is verified, though not for 30 days at the group's first exchange, as far as
            the log tells.
        dated: The log says since when it is.
        on_domain: How many are on one e-mail domain, if most of its accounts are members; 0 where
            too few are, as above.
    """

    accounts: int = 0
    naming: int = 0
    verified: bool = False
    dated: bool = False
    on_domain: int = 0


@dataclass(frozen=True, slots=True)
class Togetherness:
    """Whether a group is openly together, and the evidence against it.

    Attributes:
        organisation: The organisation that most members name, or "".
        inside: Number of members in it.
        openly: The contract's rule holds: the group goes to a person, never to a report.
        log_e: Log of the e-value against "openly together".
        largest: Log of the largest e-value for a group of this size.
        unknown: Number of members of which the log does not say whether they declare an owner.
        claim: What they say or show beside that; it is told and decides nothing.
    """

    organisation: str
    inside: int
    openly: bool
    log_e: float
    largest: float
    unknown: int
    claim: Claim = Claim()


def take_out_declared(
    groups: list[Group], declarations: Declarations, facts: Facts, traffic: Traffic
) -> list[Group]:
    """Set apart, in each group, the members of a declared organisation that only words tie to it.

    A published template makes an honest team write like a campaign. Where the organisation shares
    a rare fact with the rest of the group (a card, a device, a reasoning block), it stays in:
    declaration explains acting as one among its own, not with others.
    """
    apart = []
    for group in groups:
        rest = group
        first = int(traffic.started[group.rows[0]])
        for organisation in declarations.organisations_in(group.accounts, first):
            inside = group.accounts[declarations.organisation[group.accounts] == organisation]
            outside = np.setdiff1d(rest.accounts, inside)
            if len(outside) == 0 or facts.tie(inside, outside, len(traffic.account_names)):
                continue
            apart.append(group.only(inside, traffic))
            rest = rest.only(outside, traffic)
        apart.append(rest)
    return [g for g in apart if len(g.accounts) >= MINIMUM and len(g.rows)]


@dataclass(frozen=True, slots=True)
class Declarations:
    """For each account of the traffic, in its order: what it declared.

    Codes are -1 where the log says nothing.

    Attributes:
        said: The log says whether it declares an owner.
    """

    names: tuple[str, ...]
    said: npt.NDArray[np.bool_]
    organisation: IntArray
    verified: npt.NDArray[np.bool_]
    since: IntArray
    domain: IntArray
    payment: IntArray
    network: IntArray
    created: IntArray
    by_plan: bool
    missing_rate: float

    def organisations_in(self, accounts: IntArray, first_exchange: int) -> IntArray:
        """Declared organisations with members among the accounts, in time to count."""
        valid = self.verified[accounts] & (self.since[accounts] <= first_exchange - NOTICE)
        return np.unique(self.organisation[accounts][valid])

    def togetherness(self, accounts: IntArray, first_exchange: int) -> Togetherness:
        """Is this group inside one declared organisation?

        The e-value is a likelihood ratio: under the null each account lacks its organisation's
        mark independently with the rate at which accounts on a declared organisation's own
        e-mail domain lack it in this log; under the alternative nine in ten do. Of an account
        without a row, or in a log that keeps no organisations, nothing is known: it weighs nothing.
        """
        valid = self.verified[accounts] & (self.since[accounts] <= first_exchange - NOTICE)
        inside, best = _commonest(self.organisation[accounts][valid])
        outside = accounts[~(valid & (self.organisation[accounts] == best))]
        openly = (
            best >= 0
            and inside >= INSIDE * len(accounts)
            and bool(self._belongs(outside, best).all())
        )
        rate = self.missing_rate
        said = int(self.said[accounts].sum())
        lacking = said - inside
        log_e = lacking * np.log(0.9 / rate) + inside * np.log(0.1 / (1 - rate))
        return Togetherness(
            organisation=self.names[best] if best >= 0 else "",
            inside=inside,
            openly=openly,
            log_e=float(np.clip(log_e, -LARGEST_LOG, LARGEST_LOG)) if not openly else -LARGEST_LOG,
            largest=float(min(said * np.log(0.9 / rate), LARGEST_LOG)),
            unknown=len(accounts) - said,
            claim=self._claim(accounts, valid),
        )

    def _claim(self, accounts: IntArray, valid: npt.NDArray[np.bool_]) -> Claim:
        """What is said or shown of a common owner by members whose declaration does not count."""

        def told(members: int) -> int:
            return members if members >= max(MINIMUM, len(accounts) / 2) else 0

        naming, best = _commonest(self.organisation[accounts][~valid])
        on_domain, domain = _commonest(self.domain[accounts])
        is_theirs = 2 * on_domain > int((self.domain == domain).sum())
        named = (best >= 0) & (self.organisation[accounts] == best)
        return Claim(
            accounts=len(accounts),
            naming=told(naming),
            verified=bool(self.verified[accounts][named].any()),
            dated=bool((self.since[accounts][named] != NEVER).any()),
            on_domain=told(on_domain) if is_theirs else 0,
        )

    def _belongs(self, accounts: IntArray, organisation: int) -> npt.NDArray[np.bool_]:
        """Which accounts share the domain, payment or network of the organisation's accounts."""
        owned = self.organisation == organisation
        shares = np.zeros(len(accounts), np.bool_)
        for codes in (self.domain, self.payment, self.network):
            theirs = np.unique(codes[owned])
            shares |= np.isin(codes[accounts], theirs[theirs >= 0])
        return shares


@dataclass(frozen=True, slots=True)
class AccountRecords:
    """What the accounts table says of each account of the traffic, in its order.

    Codes are -1 where it says nothing. `since` is `NEVER` and `created` 0 where it is unknown.

    Attributes:
        said: It has a row, in a log that keeps organisations or who verified them.
        trusted: Its organisation is verified by contract or identity check, or is taken on trust of
            the plan where the log has no verification at all.
        by_domain: Its organisation is verified by the domain, if all members are on it.
        by_plan: The log has no verification at all.
    """

    names: tuple[str, ...]
    said: npt.NDArray[np.bool_]
    organisation: IntArray
    trusted: npt.NDArray[np.bool_]
    by_domain: npt.NDArray[np.bool_]
    since: IntArray
    domain: IntArray
    payment: IntArray
    network: IntArray
    created: IntArray
    by_plan: bool

    def until(self, moment: int, accounts: IntArray) -> AccountRecords:
        """Of these accounts, what was known before `moment`: as `accounts_known.sql` has it."""
        signed_up = self.created[accounts] < moment
        declared = signed_up & ((self.since[accounts] < moment) | (self.since[accounts] == NEVER))

        def kept(codes: IntArray, known: npt.NDArray[np.bool_] = signed_up) -> IntArray:
            return np.where(known, codes[accounts], -1)

        return replace(
            self,
            said=self.said[accounts] & signed_up,
            organisation=kept(self.organisation, declared),
            trusted=self.trusted[accounts] & signed_up,
            by_domain=self.by_domain[accounts] & signed_up,
            since=np.where(signed_up, self.since[accounts], NEVER),
            domain=kept(self.domain),
            payment=kept(self.payment),
            network=kept(self.network),
            created=np.where(signed_up, self.created[accounts], 0),
        )


def read_account_records(log: Log, account_names: npt.NDArray[np.str_]) -> AccountRecords:
    """Read the accounts table beside the traffic's accounts; accounts without a row say nothing."""
    table = log.ask("account_facts")
    ids = np.asarray(table["account_id"].to_pylist(), dtype=np.str_)
    position = np.full(len(account_names), -1)
    if len(ids) and len(account_names):
        at = np.minimum(np.searchsorted(ids, account_names), len(ids) - 1)
        position = np.where(ids[at] == account_names, at, -1)

    kept = any(
        table[name].null_count < table.num_rows
        for name in ("organization_id", "organization_verified")
    )
    names, organisation = _codes(table["organization_id"].to_pylist(), position)
    marks = _taken(table["organization_verified"].to_pylist(), position)
    plan = _taken(table["plan"].to_pylist(), position)
    by_plan = "organization_verified" in log.absent["accounts"]
    return AccountRecords(
        names=names,
        said=(position >= 0) & kept,
        organisation=organisation,
        trusted=np.isin(plan, ["enterprise", "partner"])
        if by_plan
        else np.isin(marks, ["contract", "kyc"]),
        by_domain=marks == "domain",
        since=_numbers(table["organization_since"].to_pylist(), position, NEVER),
        domain=_codes(table["email_domain"].to_pylist(), position)[1],
        payment=_codes(table["payment_token"].to_pylist(), position)[1],
        network=_codes(table["signup_net_token"].to_pylist(), position)[1],
        created=_numbers(table["created_at"].to_pylist(), position, 0),
        by_plan=by_plan,
    )


def declarations_of(records: AccountRecords) -> Declarations:
    """Which declarations the records hold, by the contract's rule."""
    whole = _whole_on_one_domain(records.organisation, records.domain)
    verified = (records.trusted | (records.by_domain & whole)) & (records.organisation >= 0)
    # Where the log has no verification, it is not asked for how long either.
    since = np.full_like(records.since, ALWAYS) if records.by_plan else records.since
    return Declarations(
        names=records.names,
        said=records.said,
        organisation=records.organisation,
        verified=verified,
        since=since,
        domain=records.domain,
        payment=records.payment,
        network=records.network,
        created=records.created,
        by_plan=records.by_plan,
        missing_rate=_missing_rate(verified, records.domain),
    )


def _commonest(codes: IntArray) -> tuple[int, int]:
    """How many hold the commonest code, and the code; 0 and -1 where nothing is said."""
    known, counts = np.unique(codes[codes >= 0], return_counts=True)
    return (int(counts.max()), int(known[counts.argmax()])) if len(known) else (0, -1)


def _missing_rate(verified: npt.NDArray[np.bool_], domain: IntArray) -> float:
    """How often an account on a declared organisation's own domain lacks its mark.

    A domain is an organisation's own when most of its holders are in it. The posterior mean
    under a uniform prior, so that a log without declarations does not claim certainty.
    """
    lacking = holders = 0
    for code in np.unique(domain[verified & (domain >= 0)]):
        on_domain = domain == code
        inside = int((on_domain & verified).sum())
        if 2 * inside > int(on_domain.sum()):
            lacking += int(on_domain.sum()) - inside
            holders += int(on_domain.sum())
    return min((lacking + 1) / (holders + 2), 0.5)


def _whole_on_one_domain(organisation: IntArray, domain: IntArray) -> npt.NDArray[np.bool_]:
    whole = np.zeros(len(organisation), np.bool_)
    for code in np.unique(organisation[organisation >= 0]):
        members = organisation == code
        domains = np.unique(domain[members])
        whole[members] = len(domains) == 1 and domains[0] >= 0
    return whole


def _taken(values: list[str | None], position: IntArray) -> npt.NDArray[np.str_]:
    filled = np.asarray([*(v or "" for v in values), ""], dtype=np.str_)
    return np.asarray(filled[position])


def _codes(values: list[str | None], position: IntArray) -> tuple[tuple[str, ...], IntArray]:
    names, inverse = np.unique(_taken(values, position), return_inverse=True)
    codes = inverse.astype(np.int64)
    if len(names) and names[0] == "":
        return tuple(str(n) for n in names[1:]), codes - 1
    return tuple(str(n) for n in names), codes


def _numbers(values: list[int | None], position: IntArray, absent: int) -> IntArray:
    filled = np.asarray([*(absent if v is None else v for v in values), absent], dtype=np.int64)
    return filled[position]
