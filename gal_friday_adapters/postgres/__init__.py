"""PostgreSQL: the embedded server, the connection pool, the migrations.

Import from the modules: `server.EmbeddedPostgres`, `database.Database`, `connect.sqlalchemy_url`,
`migrate.upgrade` and `migrate.ensure_database`. (Alembic is slow to import, so nothing is gathered here.)
"""
