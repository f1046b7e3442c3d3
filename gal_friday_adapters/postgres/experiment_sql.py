"""Every statement about experiments, by name; parameters only, no text is ever put together."""

ADD = """
insert into experiment (experiment_id, name, series, mode, design, hash_key)
values (%(experiment_id)s, %(name)s, %(series)s, %(mode)s, %(design)s, %(hash_key)s)
"""

ADD_VARIANTS = """
insert into experiment_variant (experiment_id, place, name, model_id)
select %(experiment_id)s, place - 1, name, model_id
from unnest(%(names)s::text[], %(models)s::text[]) with ordinality as given (name, model_id, place)
"""

ADD_EVENT = """
insert into experiment_event (experiment_id, action, state, variant, actor, reason, details)
values (%(experiment_id)s, %(action)s, %(state)s, %(variant)s, %(actor)s, %(reason)s, %(details)s)
"""

ADD_ASSIGNMENTS = """
insert into experiment_assignment (experiment_id, unit, at_ns, variant, propensity)
select %(experiment_id)s, given.*
from unnest(%(units)s::text[], %(times)s::bigint[], %(variants)s::text[], %(propensities)s::jsonb[]) as given
on conflict do nothing
"""

ADD_OUTCOMES = """
insert into experiment_outcome (experiment_id, unit, variant, at_ns, value)
select %(experiment_id)s, given.*
from unnest(%(units)s::text[], %(variants)s::text[], %(times)s::bigint[], %(values)s::float8[]) as given
on conflict do nothing
"""

EXPERIMENTS = """
select e.experiment_id::text, e.name, e.series, e.mode, e.design, e.hash_key, c.state, e.created_at
from experiment e join experiment_current c using (experiment_id)
where (%(state)s::text is null or c.state = %(state)s)
    and (%(named)s::text is null or e.experiment_id::text = %(named)s or e.name = %(named)s)
order by e.created_at, e.experiment_id
"""

EVENTS = """
select seq, action, state, variant, actor, reason, details, at
from experiment_event where experiment_id = %(experiment_id)s order by seq
"""

ASSIGNMENTS = """
select unit, at_ns, variant, propensity
from experiment_assignment where experiment_id = %(experiment_id)s order by at_ns, unit
"""

OUTCOMES = """
select unit, variant, at_ns, value
from experiment_outcome where experiment_id = %(experiment_id)s order by at_ns, unit, variant
"""

# The alpha of a split engine notes assignments in a session of its own, which names the account's. The books are there.
TRADED = """
select coalesce(run.account, s.session_id)::text as session, j.seq, j.ts_ns, j.kind, j.key, j.record
from sessions s
    left join lateral (
        select (begun.record ->> 'account_session')::uuid as account from journal begun
        where begun.session = s.session_id and begun.kind = 'RUN' and begun.record ? 'account_session' limit 1
    ) run on true
    join journal j on j.session = s.session_id
where j.kind in ('ORDER_INTENT', 'FILL', 'EXPERIMENT_ASSIGNMENT')
    and (run.account is null or run.account = s.session_id or j.kind = 'EXPERIMENT_ASSIGNMENT')
    and j.ts_ns >= %(start)s and j.ts_ns < %(end)s
order by 1, j.seq
"""
