"""What Alembic runs: the migrations, over the connection that the store hands it."""

from __future__ import annotations

from alembic import context

from stillwatch.policy.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
