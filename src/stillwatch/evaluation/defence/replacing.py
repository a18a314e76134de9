"""Accounts that take the places of blocked ones, and requests that other accounts send than planned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillwatch.evaluation.defence.reacting import Attempt
from stillwatch.records import Account, Credential, Role, TruthAccount
from stillwatch.simulation.campaigns import CAMPAIGNS, Evasion
from stillwatch.simulation.campaigns.workers import Recruiting, Worker, recruit
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import Frame, moment, token
from stillwatch.simulation.internet import Internet, Origin
from stillwatch.simulation.rhythms import load_rhythms
from stillwatch.simulation.text import Variety, load_text

__all__ = ["Face", "Replacements", "as_sent", "face_of"]

_REPLACEMENT = 3
_ALL_ALIKE, _SUB_POOL = 20, 5

_FACE = (
    *("account_id", "credential_id", "access_path", "client_ip", "client_net_token", "client_asn"),
    *("client_country", "client_network", "user_agent", "tls_fingerprint", "client_metadata"),
    "endpoint",
)
# What would give away that another account began it: whoever moves work starts it anew.
_LEFT_BEHIND = {
    "conversation_id": None,
    "turn_index": None,
    "prefix_digests": None,
    "reasoning_signatures_presented": None,
    "cache_key": None,
}


@dataclass(frozen=True, slots=True)
class Face:
    """What an account's requests look like: one set of columns for each place it sends from."""

    places: tuple[Mapping[str, Any], ...]
    names_conversations: bool


def face_of(rows: Sequence[Mapping[str, Any]]) -> Face:
    """The face of an account, from requests that it sent."""
    places = {row["client_ip"]: {name: row[name] for name in _FACE} for row in rows}
    return Face(tuple(places.values()), any(row["conversation_id"] for row in rows))


def as_sent(row: Mapping[str, Any], attempt: Attempt, face: Face) -> dict[str, Any]:
    """The row of the world as it is sent: at another time, and perhaps by another account."""
    shift = moment(attempt.at) - row["started_at"]
    sent = dict(row) | {
        "started_at": row["started_at"] + shift,
        "finished_at": (row["finished_at"] or row["started_at"]) + shift,
    }
    if not attempt.is_moved:
        return sent
    place = face.places[attempt.planned.number % len(face.places)]
    sent |= {**place, **_LEFT_BEHIND}
    if face.names_conversations:
        talk = token("conv", attempt.account_id, row["exchange_id"])
        sent |= {"conversation_id": talk, "turn_index": 0}
    return sent


@dataclass(slots=True)
class Replacements:
    """Opens accounts for one campaign as the simulator opened those it began with.

    They share what the identity dial leaves shared, with each other and not with those that were
    blocked: no attacker pays with a card that was found.

    Attributes:
        kind: Of campaign.
        label: The campaign's name in the truth.
        dials: How hard the campaign hides.
        cohort: Holds the accounts.
        faces: Of the accounts handed out, by id.
    """

    kind: str
    label: str
    dials: Evasion
    cohort: Cohort
    faces: dict[str, Face] = field(default_factory=dict)
    _ready: list[Worker] = field(default_factory=list)

    @staticmethod
    def of_world(world: Path, label: str) -> Replacements:
        """For the campaign `label` of the world in a folder."""
        facts = json.loads((world / "world.json").read_text())
        kind = label.split(":")[0]
        frame = Frame(seed=facts["seed"], days=facts["days"])
        variety = Variety(facts["variety"])
        number = list(CAMPAIGNS).index(kind)
        cohort = Cohort(
            frame=frame,
            internet=Internet(frame.seed),
            library=load_text(variety),
            rhythms=load_rhythms(variety),
            rng=frame.rng(_REPLACEMENT, number),
            key=int(frame.rng(_REPLACEMENT, number, 1).integers(1 << 40)),
            population=kind,
            expected=0.0,
        )
        dials = Evasion(**facts["evasion"]).at_least(**CAMPAIGNS[kind].floors)
        return Replacements(kind, label, dials, cohort)

    def open(self, at: int) -> str:
        """An account that can work from `at` (us) on; its id."""
        if not self._ready:
            self._ready = self._recruit(at)
        worker = self._ready.pop(0)
        account_id = worker.customer.account.account_id
        self.faces[account_id] = _face_of_worker(worker)
        return account_id

    def accounts(self) -> list[Account]:
        """The accounts handed out."""
        return [a for a in self.cohort.account_rows() if a.account_id in self.faces]

    def credentials(self) -> list[Credential]:
        """Their credentials."""
        return [c for c in self.cohort.credentials if c.account_id in self.faces]

    def truth(self) -> list[TruthAccount]:
        """Their rows of the truth."""
        return [row for row in self.cohort.truth if row.account_id in self.faces]

    def _recruit(self, at: int) -> list[Worker]:
        campaign = CAMPAIGNS[self.kind]
        count = {0: _ALL_ALIKE, 1: _SUB_POOL}.get(self.dials.identity, 1)
        how = Recruiting(
            campaign=self.label,
            identity=self.dials.identity,
            plans=campaign.plans,
            softwares=campaign.softwares,
            paths=campaign.paths,
            residential=campaign.residential,
            disposable=campaign.disposable,
        )
        return recruit(
            self.cohort,
            count,
            how,
            roles=[Role.OPERATOR] * count,
            begins=[at] * count,
            bans=[None] * count,
        )


def _face_of_worker(worker: Worker) -> Face:
    client = worker.client
    common = {
        "account_id": worker.customer.account.account_id,
        "credential_id": worker.credential or worker.customer.credential,
        "access_path": client.access_path,
        "user_agent": client.user_agent,
        "tls_fingerprint": client.tls_fingerprint,
        "client_metadata": client.metadata,
        "endpoint": client.endpoint,
    }
    places = tuple(common | _columns_of(origin) for origin in worker.origins)
    return Face(places, client.names_conversations)


def _columns_of(origin: Origin) -> dict[str, Any]:
    return {
        "client_ip": origin.ip,
        "client_net_token": origin.net_token,
        "client_asn": origin.asn,
        "client_country": origin.country,
        "client_network": origin.network,
    }
