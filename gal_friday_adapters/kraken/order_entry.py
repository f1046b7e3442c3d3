"""Order methods over the private line: each request waits for the answer with its number.

`ask` hands the bytes to the line before it returns, so nothing can come between the caller's last check and the
sending. An answer that never comes, because of the line or in time, leaves the outcome unknown; a request that
was never handed to a line is known not to have been made.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from gal_friday_adapters.kraken.private_line import PrivateLine
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken.error_codes import Refusal, refusal
from gal_friday_core.kraken.private_wire import Response

Answer = asyncio.Future[Response]


class OrderEntry:
    """What was asked on the present line and waits for an answer, by number. `what` says it in errors, by `str`."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[object, Answer]] = {}
        self.stray = 0

    def ask(self, line: PrivateLine, what: object, build: Callable[[str, int], bytes]) -> Answer:
        """Send one request. Raises ExchangeError where it cannot be put in words; nothing was sent then."""
        number = line.ask(build)
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = (what, answer)
        answer.add_done_callback(lambda _: self._waiting.pop(number, None))
        return answer

    def answered(self, response: Response) -> None:
        """Kraken answers a cancel of several orders once for each; here each request names one."""
        _, answer = self._waiting.get(response.req_id or 0, ("", None))
        if answer is None:
            self.stray += 1
        elif not answer.done():
            answer.set_result(response)

    def lost(self, reason: str) -> None:
        """The line is down: nobody will answer what waits."""
        waiting, self._waiting = self._waiting, {}
        for what, answer in waiting.values():
            if not answer.done():
                answer.set_exception(OutcomeUnknownError(f"{what}: the line went down ({reason})"))

    async def outcome(self, answer: Answer, what: object, within_s: float) -> Response:
        """The answer to what was asked.

        Raises ExchangeError where it was refused for certain, OutcomeUnknownError where nobody knows.
        """
        try:
            async with asyncio.timeout(within_s):
                response = await answer
        except TimeoutError:
            raise OutcomeUnknownError(f"{what}: no answer within {within_s:g} s") from None
        if not response.success:
            refuse(what, refusal(response.error or "no reason given"))
        return response


def refuse(what: object, why: Refusal) -> NoReturn:
    """Raise what an error of the exchange means for the request it answers."""
    if why.certain:
        raise ExchangeError(f"{what}: {why}", why.code)
    raise OutcomeUnknownError(f"{what}: {why}")
