"""The tags of one account's strands, and how long what they ask for holds."""

from dataclasses import dataclass

from gal_friday_core.strands.tags import Tags, timeout_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`account` is whose orders the strands are about, `speed` how many seconds of its market pass in one of ours."""

    account: str
    speed: float = 1.0

    def tags(
        self,
        *addressed: str,
        expires_at: int | None = None,
        now_ns: int = 0,
        original: str | None = None,
        sender: str | None = None,
        high: bool = False,
    ) -> tuple[str, ...]:
        """The words of a strand: what expires does so by the server's time, in seconds of ours."""
        timeout_s = None
        if expires_at is not None:
            timeout_s = timeout_until(int((expires_at - now_ns) / self.speed), 0)
        return tuple(
            Tags(
                addressed=addressed, high=high, timeout_s=timeout_s, original=original, account=self.account,
                sender=sender,
            ).words()
        )  # fmt: skip
