"""Where things are kept: sections of the configuration."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from gal_friday_core.errors import ConfigError
from gal_friday_core.places import place
from gal_friday_core.section import Section

PLACE = "a folder, or s3://BUCKET/PREFIX"


class StorageConfig(Section):
    data_dir: Path | None = Field(
        None, description="Everything the product writes; the platform's data folder if unset"
    )
    database_url: SecretStr | None = Field(
        None, description="postgresql://…; the embedded PostgreSQL if unset"
    )
    trusted_keys: tuple[str, ...] = Field(
        (),
        description="Public keys whose signatures make a model acceptable; the data directory's own if empty",
    )
    lake: str | None = Field(
        None,
        min_length=1,
        description=f"Candles, tables, live records: {PLACE}; in the data directory if unset",
    )
    artifacts: str | None = Field(
        None, min_length=1, description=f"Model artifacts: {PLACE}; in the data directory if unset"
    )
    reports: str | None = Field(
        None, min_length=1, description=f"Pages of the pipeline: {PLACE}; in the data directory if unset"
    )
    statements: str | None = Field(
        None, min_length=1, description=f"Accounts' days as Parquet: {PLACE}; in the data directory if unset"
    )

    @field_validator("lake", "artifacts", "reports", "statements")
    @classmethod
    def _is_a_place(cls, text: str | None) -> str | None:
        try:
            _ = None if text is None else place(text)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return text


class ObjectStoreConfig(Section):
    """How what is kept at s3://… is reached. Keys come from the environment, as every S3 client reads them."""

    endpoint_url: str | None = Field(
        None,
        pattern="^https?://[^/@]+/?$",
        description="An S3-compatible server; AWS if unset. Also AWS_ENDPOINT_URL",
    )
    region: str | None = Field(
        None, min_length=1, description="The bucket's; AWS_REGION, or us-east-1, if unset"
    )
    authority: Path | None = Field(
        None,
        description="File (PEM) of the authority that signed the server's certificate, beside those that the system knows",
    )
    allow_http: bool = Field(
        False,
        description="Permit http:// to another machine: whoever is on the way can read and change everything",
    )
    keep_models_mb: int = Field(
        512,
        ge=0,
        le=65_536,
        description="Models of a bucket that are kept in the data directory too, the latest used; 0 keeps none",
    )
    connect_timeout_s: float = Field(
        5.0, gt=0, le=60, description="A connection that takes longer is given up"
    )
    request_timeout_s: float = Field(
        60.0, gt=0, le=600, description="A request and its answer, with all that is transferred, is given up"
    )
    retries: int = Field(4, ge=0, le=20, description="Further attempts of what may be asked twice")
    retry_timeout_s: float = Field(90.0, gt=0, le=600, description="No attempt begins later after the first")
