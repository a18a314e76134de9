"""Appeals.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    moment = sa.String(27)
    op.create_table(
        "appeals",
        sa.Column("appeal_id", sa.String(32), primary_key=True),
        sa.Column("reference", sa.String(32), nullable=False, index=True),
        sa.Column("action_id", sa.String(32), sa.ForeignKey("actions.action_id"), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("submitted_at", moment, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("decided_at", moment),
        sa.Column("decided_by", sa.String(64)),
        sa.Column("reason", sa.Text),
        sa.Column("reduced_to", sa.String(16)),
        sa.Column("calibration_by", sa.String(64)),
        sa.Column("calibration_at", moment),
        sa.CheckConstraint(
            "(state = 'open') = (decided_by IS NULL) AND (state = 'open') = (reason IS NULL)",
            name="ck_appeals_decided",
        ),
        sa.CheckConstraint(
            "calibration_by IS NULL OR (state = 'overturned' AND calibration_by <> decided_by)",
            name="ck_appeals_calibration",
        ),
    )
    op.create_index(
        "ix_appeals_one_open",
        "appeals",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    raise NotImplementedError("what customers said is not thrown away")
