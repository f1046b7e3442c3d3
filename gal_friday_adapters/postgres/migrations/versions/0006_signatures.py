"""Who vouches for an artifact: signatures over its manifest, each by a key."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table artifact_signature (
        artifact text not null references artifact,
        key text not null check (key ~ '^[0-9a-f]{64}$'),
        value bytea not null check (octet_length(value) = 64),
        created timestamptz not null default now(),
        primary key (artifact, key)
    )
    """,
    """
    create trigger append_only before update or delete or truncate on artifact_signature
        for each statement execute function refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
