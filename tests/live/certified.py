"""Certificates for registered models, as `certify` makes them, without what a real one is measured on."""

from gal_friday_core.certificate import GATES, Certificate, Gate


def certificate_of(model_type, artifact_id, *, incumbent=None, failed=()):
    """Every gate passed but those in `failed`."""
    gates = tuple(
        Gate.of(name, float(name in failed), "equal", 0.0, f"{name}: {'bad' if name in failed else 'fine'}")
        for name in GATES
    )
    return Certificate(
        model_type=model_type, artifact_sha256=artifact_id, series="kraken:BTC-USD:1m", feature_set="test_set",
        schema_hash="s", label_set="triple-barrier-v1", label_hash="l", data_version="d", code_version="test",
        config_hash="0" * 64, trials=1, incumbent=incumbent, gates=gates, passed=not failed,
    )  # fmt: skip


async def certify(registry, model_id, *, failed=()):
    """Against whatever is in production now."""
    known = await registry.get_model_metadata(model_id)
    others = await registry.list_models("production", model_type=known["model_type"])
    incumbent = next((other["model_id"] for other in others if other["model_id"] != model_id), None)
    made = certificate_of(known["model_type"], known["artifact"], incumbent=incumbent, failed=failed)
    await registry.certify_model(model_id, made)
    return made


async def promote(registry, model_id, **options):
    """Certify and promote to production."""
    await certify(registry, model_id)
    return await registry.promote_model(model_id, "production", **options)
