"""Listeners are told of models that enter or leave staging too: the engine scores those in production's shadow."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_APPLY = """
    create or replace function apply_stage_event() returns trigger language plpgsql as $$
    begin
        insert into stage_current (model_id, model_type, stage)
            values (new.model_id, new.model_type, new.stage)
            on conflict (model_id) do update set stage = excluded.stage;
        if {changed} then
            perform pg_notify('model_promoted', new.model_type);
        end if;
        return null;
    end $$
"""
_SERVED = "array['production', 'staging'] && array[new.stage, coalesce(new.previous_stage, '')]"
_PRODUCTION = "'production' in (new.stage, coalesce(new.previous_stage, ''))"


def upgrade() -> None:
    op.execute(_APPLY.format(changed=_SERVED))


def downgrade() -> None:
    op.execute(_APPLY.format(changed=_PRODUCTION))
