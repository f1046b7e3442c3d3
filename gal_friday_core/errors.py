"""One tree of errors. Facts are attributes; the message says what was wrong, where, and what to do.

The command line turns every `GalFridayError` into one line and exit code 2.
"""


class GalFridayError(Exception):
    """Something the user can act on."""


class ConfigError(GalFridayError):
    """A configuration key or value is wrong."""


class ContractError(GalFridayError):
    """An event does not have the form that the specification gives it."""


class DataError(GalFridayError):
    """Input data is damaged or implausible; nothing of it was stored."""


class StorageError(GalFridayError):
    """The database, lake or artifact store cannot be reached or written."""


class LeaseError(StorageError):
    """The account is, or has become, another engine's: this one may write nothing for it."""


class ExchangeError(GalFridayError):
    """The exchange is unreachable, or refused a request; `code` names the reason where one is known."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknownError(GalFridayError):
    """A request to change something was sent, and nobody knows whether it was carried out: find out, never resend."""


class ArtifactError(GalFridayError):
    """A model artifact is incomplete, altered, or of a forbidden kind."""


class RegistryError(GalFridayError):
    """The model registry refuses: unknown model, stale promotion, gate not passed."""


class SchemaMismatchError(GalFridayError):
    """Features of one schema were offered to a model of another."""
