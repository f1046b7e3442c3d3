"""Every statement of the model registry, by name; parameters only, no text is ever put together."""

ADD_ARTIFACT = """
insert into artifact (sha256, size) values (%(artifact)s, %(size)s) on conflict do nothing
"""

ADD_SIGNATURE = """
insert into artifact_signature (artifact, key, value) values (%(artifact)s, %(key)s, %(value)s)
on conflict do nothing
"""

SIGNATURES = "select key, value from artifact_signature where artifact = %(artifact)s order by key"

ADD_CERTIFICATE = """
insert into model_certificate (model_id, document, signature, key_id)
select %(model_id)s, %(document)s, %(signature)s, %(key)s
where not exists (
    select from (select document, key_id from model_certificate where model_id = %(model_id)s
                 order by seq desc limit 1) as latest
    where latest.document = %(document)s and latest.key_id = %(key)s)
"""

CERTIFICATES = """
select distinct on (model_id) model_id, document, signature, key_id, created_at from model_certificate
where %(model_id)s::text is null or model_id = %(model_id)s
order by model_id, seq desc
"""

ADD_TYPE = "insert into model_type (name) values (%(model_type)s) on conflict do nothing"

LOCK_TYPE = "select lock_version from model_type where name = %(model_type)s for update"

REGISTERED = """
select model_id, passed, reasons from model_version
where model_type = %(model_type)s and artifact = %(artifact)s
"""

NEXT_VERSION = """
select coalesce(max(version), 0) + 1 as version from model_version where model_type = %(model_type)s
"""

ADD_VERSION = """
insert into model_version (model_id, model_type, version, artifact, schema_hash, data_version,
                           code_version, config_hash, passed, reasons, metadata)
values (%(model_type)s || '@v' || %(version)s::int, %(model_type)s, %(version)s, %(artifact)s,
        %(schema_hash)s, %(data_version)s, %(code_version)s, %(config_hash)s, %(passed)s,
        %(reasons)s, %(metadata)s)
returning model_id
"""

ADD_METRICS = """
insert into metric (model_id, name, value)
select %(model_id)s, name, value from unnest(%(names)s::text[], %(values)s::float8[]) as m (name, value)
"""

ADD_EVENT = """
insert into stage_event (model_id, model_type, stage, actor, reason, override, evidence, lock_version)
values (%(model_id)s, %(model_type)s, %(stage)s, %(actor)s, %(reason)s, %(override)s, %(evidence)s,
        %(lock_version)s)
"""

SWAP_LOCK = """
update model_type set lock_version = lock_version + 1
where name = %(model_type)s and lock_version = %(expected_lock)s
returning lock_version
"""

VERSIONS = """
select v.model_id, v.model_type, v.version, c.stage, v.artifact, v.schema_hash, v.data_version,
       v.code_version, v.config_hash, v.passed, v.reasons, v.metadata, v.created_at, t.lock_version,
       coalesce((select jsonb_object_agg(m.name, m.value) from metric m where m.model_id = v.model_id),
                '{}'::jsonb) as metrics
from model_version v
join stage_current c on c.model_id = v.model_id
join model_type t on t.name = v.model_type
where (%(model_id)s::text is null or v.model_id = %(model_id)s)
  and (%(model_type)s::text is null or v.model_type = %(model_type)s)
  and (%(stage)s::text is null or c.stage = %(stage)s)
order by v.model_type, v.version
"""

HISTORY = """
select seq, stage, previous_stage, actor, reason, override, evidence, lock_version, ts
from stage_event where model_id = %(model_id)s order by seq
"""

TENURES = """
select model_id, evidence ? 'restored' as restored from stage_event
where model_type = %(model_type)s and stage = 'production' order by seq
"""

TYPES = "select name from model_type order by name"
