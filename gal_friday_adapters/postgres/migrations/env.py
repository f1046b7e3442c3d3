"""Alembic's entry: runs the migrations on the connection that `migrate.upgrade` hands over."""

from alembic import context


def run() -> None:
    """Each migration in a transaction of its own."""
    context.configure(
        connection=context.config.attributes["connection"],
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
