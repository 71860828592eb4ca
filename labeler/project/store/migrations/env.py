"""Runs the migrations on the connection that the store hands over; never opens one of its own."""

from alembic import context

from labeler.project.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,  # the store holds one transaction around all steps
    render_as_batch=True,
)
context.run_migrations()
