"""The store's tables, the same on SQLite and PostgreSQL.

A change here needs a migration in `migrations/versions`; a test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = [
    "ACTIONS",
    "ALLOWED",
    "APPEALS",
    "AUDIT",
    "HEAD",
    "METADATA",
    "PEOPLE",
    "TOKENS",
    "Moment",
]

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC, as ISO 8601 text of one length: it sorts, and both databases agree on it."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


HEAD = sa.Table(
    "head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, comment="rises when a gateway must look"),
    sa.Column("audit_sequence", sa.BigInteger, nullable=False, comment="of the last record"),
    sa.Column("audit_hash", sa.String(64), nullable=False, comment="of the last record"),
    sa.CheckConstraint("id = 1", name="one_row"),
    comment="One row, locked by whoever writes.",
)

PEOPLE = sa.Table(
    "people",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("roles", sa.Text, nullable=False, comment="separated by spaces"),
    sa.Column("password_hash", sa.Text, nullable=False, comment="argon2id"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("disabled_at", Moment),
    comment="Who may look, decide and approve.",
)

TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), sa.ForeignKey("people.name"), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
    comment="Tokens of the command line, as hashes.",
)

ACTIONS = sa.Table(
    "actions",
    METADATA,
    sa.Column("action_id", sa.String(32), primary_key=True),
    sa.Column("campaign_id", sa.String(128), nullable=False, index=True),
    sa.Column("account_id", sa.String(320), nullable=False, index=True),
    sa.Column("account_token", sa.String(80), nullable=False, index=True),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(320), nullable=False),
    sa.Column("group_id", sa.String(128), nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("begins_at", Moment, nullable=False),
    sa.Column("ends_at", Moment, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reference", sa.String(32), nullable=False, unique=True),
    sa.Column("proposed_by", sa.String(64), nullable=False),
    sa.Column("approved_by", sa.String(64)),
    sa.Column("needs_approval", sa.Boolean, nullable=False),
    sa.Column("requests_per_minute", sa.Integer),
    sa.Column("countermeasures", sa.Text, nullable=False, comment="separated by spaces"),
    sa.Column("changed_at", Moment, nullable=False),
    sa.CheckConstraint("ends_at > begins_at", name="ends"),
    sa.CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="second_person"),
    sa.CheckConstraint(
        "state <> 'in_force' OR needs_approval = false OR approved_by IS NOT NULL", name="approved"
    ),
    comment="What is done, and what would have been.",
)

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False, comment="ISO 8601, as it was hashed"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("by_name", sa.String(64), nullable=False),
    sa.Column("details", sa.Text, nullable=False, comment="JSON; tokens, never identifiers"),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("spool_id", sa.String(32), unique=True, comment="of what was spooled first"),
    comment="Append-only and chained.",
)

ALLOWED = sa.Table(
    "allowed",
    METADATA,
    sa.Column("allowed_id", sa.String(32), primary_key=True),
    sa.Column("organization_id", sa.String(320), nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("ends_at", Moment, nullable=False),
    sa.Column("by_name", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("removed_at", Moment),
    comment="Organisations that no step reaches, with a reason and an end.",
)

APPEALS = sa.Table(
    "appeals",
    METADATA,
    sa.Column("appeal_id", sa.String(32), primary_key=True),
    sa.Column("reference", sa.String(32), nullable=False, index=True),
    sa.Column("action_id", sa.String(32), sa.ForeignKey("actions.action_id"), nullable=False),
    sa.Column("text", sa.Text, nullable=False, comment="the customer's words; empty once erased"),
    sa.Column("submitted_at", Moment, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("decided_at", Moment),
    sa.Column("decided_by", sa.String(64)),
    sa.Column("reason", sa.Text, comment="for colleagues; no customer sees it"),
    sa.Column("reduced_to", sa.String(16)),
    sa.Column("calibration_by", sa.String(64)),
    sa.Column("calibration_at", Moment),
    sa.CheckConstraint(
        "(state = 'open') = (decided_by IS NULL) AND (state = 'open') = (reason IS NULL)",
        name="decided",
    ),
    sa.CheckConstraint(
        "calibration_by IS NULL OR (state = 'overturned' AND calibration_by <> decided_by)",
        name="calibration",
    ),
    comment="What customers said of a refusal, and what became of it.",
)
sa.Index(
    "ix_appeals_one_open",
    APPEALS.c.reference,
    unique=True,
    sqlite_where=APPEALS.c.state == "open",
    postgresql_where=APPEALS.c.state == "open",
)
