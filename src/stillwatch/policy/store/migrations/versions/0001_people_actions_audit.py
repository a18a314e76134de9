"""People, actions, the allow-list and the audit log.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_FIRST_HASH = "0" * 64


def upgrade() -> None:
    moment = sa.String(27)
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("audit_sequence", sa.BigInteger, nullable=False),
        sa.Column("audit_hash", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_head_one_row"),
    )
    op.execute(f"INSERT INTO head VALUES (1, 0, 0, '{_FIRST_HASH}')")
    op.create_table(
        "people",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("disabled_at", moment),
    )
    op.create_table(
        "tokens",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("people.name"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("revoked_at", moment),
    )
    op.create_table(
        "actions",
        sa.Column("action_id", sa.String(32), primary_key=True),
        sa.Column("campaign_id", sa.String(128), nullable=False, index=True),
        sa.Column("account_id", sa.String(320), nullable=False, index=True),
        sa.Column("account_token", sa.String(80), nullable=False, index=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(320), nullable=False),
        sa.Column("group_id", sa.String(128), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("begins_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("proposed_by", sa.String(64), nullable=False),
        sa.Column("approved_by", sa.String(64)),
        sa.Column("needs_approval", sa.Boolean, nullable=False),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("countermeasures", sa.Text, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.CheckConstraint("ends_at > begins_at", name="ck_actions_ends"),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name="ck_actions_second_person"
        ),
        sa.CheckConstraint(
            "state <> 'in_force' OR needs_approval = false OR approved_by IS NOT NULL",
            name="ck_actions_approved",
        ),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("by_name", sa.String(64), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("spool_id", sa.String(32), unique=True),
    )
    op.create_table(
        "allowed",
        sa.Column("allowed_id", sa.String(32), primary_key=True),
        sa.Column("organization_id", sa.String(320), nullable=False, index=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("by_name", sa.String(64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("removed_at", moment),
    )
    for statement in _guards(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a record that may be thrown away is none")


def _guards(dialect: str) -> list[str]:
    """Whoever comes by SQL alone can neither change nor remove a record without taking these away."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ]
