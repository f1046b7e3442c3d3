"""One destination of alerts, by its address, through apprise: it knows a hundred services, and says why one refused."""

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

from gal_friday_core.alerts import scheme, secrets_in
from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.redaction import Redactor

APPRISE_LOG: Final = "apprise"
TITLE_PREFIX: Final = "Gal-Friday"
GIVEN_S: Final = 30.0
"""For all of one delivery; apprise gives each connection 4 s to be made, and as much for each answer."""
_KINDS: Final = {"info": "info", "warning": "warning", "page": "failure"}
_MOST_LINES: Final = 8


class Destination:
    """Call it with severity, title and text. Every wait inside is bounded.

    Raises StorageError where it was not taken, DataError where the address is none that apprise understands. No
    message shows the address.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = f"{name} ({scheme(url)})"
        self._url = url
        self._redactor = Redactor(secrets_in(url))
        self._service: Any = None

    def __call__(self, severity: str, title: str, text: str) -> None:
        import apprise

        self.connect()
        try:
            result = self._service.notify(
                text, f"{TITLE_PREFIX} {title}", apprise.NotifyType(_KINDS[severity]),
                body_format=apprise.NotifyFormat.TEXT, timeout=GIVEN_S,
            )  # fmt: skip
        except TypeError as error:  # apprise's for a message that its service cannot carry
            raise DataError(f"{self.name} refuses the message: {self._redactor.text(str(error))}") from None
        try:
            if not result:
                said = [str(entry.message) for entry in result.logs()]
                raise StorageError(f"{self.name} did not take it{self._because(said)}")
        finally:
            result.close()

    def connect(self) -> None:
        """Import what sends, and understand the address: a second, once. Raises DataError as a call does."""
        if self._service is None:
            import apprise

            # No pictures, which would come from elsewhere; no threads of its own.
            asset = apprise.AppriseAsset(
                app_id=TITLE_PREFIX, app_desc="alerts", image_url_mask="", image_url_logo="", async_mode=False
            )
            service = apprise.Apprise(asset=asset)
            with _Heard() as said:
                if not service.add(self._url):
                    raise DataError(f"{self.name} is no address that is understood{self._because(said)}")
            self._service = service

    def _because(self, said: Sequence[str]) -> str:
        lines = [self._redactor.text(" ".join(line.split())) for line in said[:_MOST_LINES]]
        return f": {'; '.join(dict.fromkeys(lines))}" if lines else ""


class _Heard(logging.Handler):
    """What apprise logs on this thread as a warning: others may use it at the same time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logger = logging.getLogger(APPRISE_LOG)
        logger.addHandler(self)
        logger.propagate = False  # what it says by itself may show addresses
        return self._lines

    def __exit__(self, *_: object) -> None:
        logging.getLogger(APPRISE_LOG).removeHandler(self)
