"""What each of the product's statements does to the simulated database: one method for each, by the same text.

That they do what PostgreSQL does is tested on both, with the same operations.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from gal_friday_adapters.postgres import journal, journal_within
from gal_friday_adapters.strands import statements
from gal_friday_adapters.strands.communicator import PROTOCOL_VERSION
from gal_friday_core.errors import ContractError
from gal_friday_core.journal import JournalLine
from gal_friday_core.strands.strands import DECISION, EXECUTION_PLAN, KINDS, SIGNAL, Table
from gal_friday_core.strands.tags import (
    DECISION_FEEDBACK,
    DEFAULT_ALPHA,
    DM_EXECUTION_FEEDBACK,
    EVALUATE_PLAN,
    EXECUTE_PLAN,
    EXECUTION_FEEDBACK,
    EXPIRED,
    PROCESSING_FAILED,
    Module,
    Tags,
    channel_of,
)
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.simulation.desk.session import Session
from gal_friday_live.simulation.desk.tables import Delivered, InboxName, State, Work
from gal_friday_live.simulation.store import StaleFenceError

if TYPE_CHECKING:
    from gal_friday_live.simulation.desk.server import Server

Values = Mapping[str, Any]
Row = dict[str, Any]
Does = Callable[[Session, Work, Values], Awaitable[Sequence[Any]]]
ROUTES: Mapping[Table, Mapping[str, InboxName]] = {
    "ad_strands": {EVALUATE_PLAN: "dm_inbox"},
    "dm_strands": {DECISION_FEEDBACK: "alpha_inbox", EXECUTE_PLAN: "trader_inbox"},
    "tr_strands": {EXECUTION_FEEDBACK: "alpha_inbox", DM_EXECUTION_FEEDBACK: "dm_inbox"},
}
MODULE: Mapping[Table, Module] = {"ad_strands": "alpha", "dm_strands": "dm", "tr_strands": "trader"}
INBOX_OF: Mapping[Module, InboxName] = {"alpha": "alpha_inbox", "dm": "dm_inbox", "trader": "trader_inbox"}


class Statements:
    """`carry` raises AssertionError for a statement that is not known here: then it must be added."""

    def __init__(self, server: "Server", now_ns: Callable[[], int]) -> None:
        self._server = server
        self._now_ns = now_ns
        self._does: dict[str, Does] = {
            journal._BEGIN: _nothing,  # noqa: SLF001 - this is the other side of these statements
            journal._APPEND: self._append,  # noqa: SLF001
            journal._APPEND_MANY: self._append_many,  # noqa: SLF001
            journal._READ: self._read_journal,  # noqa: SLF001
            journal._LINES: self._read_lines,  # noqa: SLF001
            journal_within._APPEND: self._append,  # noqa: SLF001
            journal_within._UNTOLD: self._untold,  # noqa: SLF001
            journal_within._TELL: self._tell,  # noqa: SLF001
            "select 1": _nothing,
            statements.PROTOCOL: _protocol,
            statements.REGISTER: self._register,
            statements.SEEN: _nothing,
            **{statements.SAY[table]: partial(self._write, table, new=True) for table in KINDS},
            **{statements.WRITE[table]: partial(self._write, table) for table in KINDS},
            **{statements.SAID_BEFORE[table]: partial(self._said_before, table) for table in KINDS},
            **{statements.READ[table]: partial(self._read_strand, table) for table in KINDS},
            **{statements.RECENT[table]: partial(self._recent, table) for table in KINDS},
            **{statements.ANSWERING[table]: partial(self._recent, table) for table in KINDS},
        }
        for module, inbox in INBOX_OF.items():
            said = statements.INBOX[module]
            self._does |= {
                said.claim: partial(self._claim, inbox), said.lock: partial(self._hold, inbox),
                said.end: partial(self._end, inbox), said.again: partial(self._again, inbox),
                said.give_back: partial(self._give_back, inbox), said.take_over: partial(self._take_over, inbox),
            }  # fmt: skip

    async def carry(self, session: Session, work: Work, statement: str, values: Values) -> Sequence[Any]:
        if statement.startswith("set "):
            return []
        does = self._does.get(statement)
        if does is None:
            raise AssertionError(f"the simulated database does not know {statement}")
        return await does(session, work, values)

    # Journals

    async def _append(self, session: Session, work: Work, values: Values) -> Sequence[Any]:
        self._require_lease(work, values)
        record = msgspec.json.encode(values["record"].obj).decode()
        await self._add(
            session, work, values["session"], (values["kind"], values["key"], values["ts_ns"], record)
        )
        return []

    def _require_lease(self, work: Work, values: Values) -> None:
        account, fence = values["session"], values["fence"]
        if fence is not None:
            self._server.share(work, account)
            if fence != self._server.tokens.get(account):
                raise StaleFenceError(f"lease {fence} is out of date")

    async def _append_many(self, session: Session, work: Work, values: Values) -> Sequence[Any]:
        columns = (values["kinds"], values["keys"], values["times"], values["records"])
        for line in zip(*columns, strict=True):
            await self._add(session, work, values["session"], line)
        return []

    async def _add(self, session: Session, work: Work, account: str, line: tuple[str, str, int, str]) -> None:
        kind, key, ts_ns, record = line
        once = "line", account, kind, key
        if work.said(once) is None:
            await self._server.own(session, work, *once)
        if work.said(once) is not None:
            return
        number = work.tables.number()
        work.top.said[once] = str(number)
        work.top.lines.append((account, JournalLine(number, ts_ns, kind, key, record)))

    async def _read_journal(self, _: Session, work: Work, values: Values) -> Sequence[Any]:
        found = [
            line for line in work.tables.lines.get(values["session"], ())
            if line.seq > values["after"] and values["kind"] in {None, line.kind}
        ]  # fmt: skip
        return [
            {
                "seq": line.seq, "session": values["session"], "ts_ns": line.ts_ns, "kind": line.kind,
                "key": line.key, "record": json.loads(line.record),
            }
            for line in found[: values["page"]]
        ]  # fmt: skip

    async def _read_lines(self, _: Session, work: Work, values: Values) -> Sequence[Any]:
        return [
            (line.seq, line.ts_ns, line.kind, line.key, line.record)
            for line in work.tables.lines.get(values["session"], ())
            if line.seq > values["after"] and line.kind in values["kinds"]
        ]

    async def _untold(self, _: Session, work: Work, values: Values) -> Sequence[Any]:
        account, kinds = values["session"], values["kinds"]
        found = [
            {"seq": line.seq, "ts_ns": line.ts_ns, "kind": line.kind, "key": line.key, "record": line.record}
            for line in work.tables.lines.get(account, ())
            if line.seq > values["after"] and line.kind in kinds
            and work.said(("told", account, str(line.seq))) is None
        ]  # fmt: skip
        return found[: values["limit"]]

    async def _tell(self, session: Session, work: Work, values: Values) -> Sequence[Any]:
        self._require_lease(work, values)
        for line, strand in zip(values["lines"], values["strands"], strict=True):
            once = "told", values["session"], str(line)
            await self._server.own(session, work, *once)
            if work.said(once) is not None:
                raise psycopg.errors.UniqueViolation(f"line {line} was told already")
            work.top.said[once] = strand or ""
        return []

    # Strands

    async def _register(self, _: Session, work: Work, values: Values) -> Sequence[Any]:
        work.top.modules[values["module"], values["account"], values["name"]] = values["worker"]
        return []

    async def _write(
        self, table: Table, session: Session, work: Work, values: Values, *, new: bool = False
    ) -> Sequence[Any]:
        """With `new` what was said before is an error."""
        written = []
        for said in _strands_of(table, values):
            once = _once(table, said)
            if once is not None:
                if work.said(once) is None:
                    await self._server.own(session, work, *once)
                if work.said(once) is not None:
                    if new:
                        raise psycopg.errors.UniqueViolation(f"said before: {once}")
                    continue
            now = to_iso(self._now_ns())
            name = f"{table[:2]}{work.tables.number():08d}"
            strand = {**said, "id": name, "module": MODULE[table], "created_at": now, "updated_at": now}
            if once is not None:
                work.top.said[once] = name
            work.top.strands[table, name] = strand
            self._deliver(table, work, strand)
            written.append({"id": name})
        return written

    def _deliver(self, table: Table, work: Work, strand: Values) -> None:
        tags = _tags(strand["tags"], MODULE[table])
        now_ns = self._now_ns()
        for tag, inbox in ROUTES[table].items():
            if tag not in tags.addressed:
                continue
            sender = tags.sender or DEFAULT_ALPHA if table == "ad_strands" else None
            if inbox != "dm_inbox" and tags.original is not None:
                sender = _sender(work, tags.original)
            for recipient in self._recipients(work, inbox, sender, tags.account):
                row = Delivered(
                    inbox=inbox, seq=work.tables.number(), account=tags.account, recipient=recipient, sender=sender,
                    source=table, strand_id=strand["id"], tag=tag, high=tags.high, added_ns=now_ns,
                    deadline_ns=None if tags.timeout_s is None else now_ns + tags.timeout_s * SECOND_NS,
                )  # fmt: skip
                if work.said(row.once) is None:
                    work.top.said[row.once] = str(row.seq)
                    work.put(row)
                    work.top.notices.add(channel_of(tag))

    @staticmethod
    def _recipients(work: Work, inbox: InboxName, sender: str | None, account: str) -> Sequence[str]:
        if inbox != "alpha_inbox":
            return [inbox.removesuffix("_inbox")]
        if sender is not None:
            return [sender]
        return [name for module, owner, name in work.modules() if (module, owner) == ("alpha", account)]

    async def _said_before(self, table: Table, _: Session, work: Work, values: Values) -> Sequence[Any]:
        once: tuple[str, ...] = ("answer", values["kind"], str(values["original"]))
        if table == "ad_strands":
            once = ("plan", str(values["signal"]), values["account"], values["sender"])
        name = work.said(once)
        return [] if name is None else [{"id": name}]

    async def _read_strand(self, table: Table, _: Session, work: Work, values: Values) -> Sequence[Any]:
        found = work.strand(table, values["id"])
        return [] if found is None else [{"strand": dict(found)}]

    async def _recent(self, table: Table, _: Session, work: Work, values: Values) -> Sequence[Any]:
        wanted = set(json.loads(values["tags"]))
        found = [strand for strand in work.strands(table) if wanted <= set(strand["tags"])]
        return [{"strand": dict(strand)} for strand in found[::-1][: values["limit"]]]

    # Inboxes

    async def _claim(self, inbox: InboxName, session: Session, work: Work, values: Values) -> Sequence[Any]:
        now_ns = self._now_ns()
        due = [
            row for row in _of(work, inbox, values)
            if row.due_ns <= now_ns and not self._server.is_owned(work, *row.key)
        ]  # fmt: skip
        due.sort(key=lambda row: (not row.high, row.seq))
        due = due[: values["limit"]]
        taken = due[:1]
        if due and due[0].attempts == 0:
            taken += [row for row in due[1:] if row.attempts == 0]
        until_ns = now_ns + int(values["lease_s"] * SECOND_NS)
        claims = []
        for row in taken:
            await self._server.own(session, work, *row.key)
            changed = msgspec.structs.replace(
                row, state="claimed", worker=values["worker"], attempts=row.attempts + 1, due_ns=until_ns
            )
            work.put(changed)
            names = ("seq", "source", "strand_id", "tag", "high", "attempts", "sender")
            claims.append({name: getattr(changed, name) for name in names})
        return claims

    async def _hold(self, inbox: InboxName, session: Session, work: Work, values: Values) -> Sequence[Any]:
        held = []
        rows = [row for seq in values["seqs"] if (row := work.row(inbox, seq)) is not None]
        for seen in sorted(rows, key=lambda row: (not row.high, row.seq)):
            if not _is_held(seen, values):
                continue
            await self._server.own(session, work, *seen.key)
            row = work.row(inbox, seen.seq)
            if row is None or not _is_held(row, values):
                continue
            left = None if row.deadline_ns is None else (row.deadline_ns - self._now_ns()) / SECOND_NS
            strand = work.strand(row.source, row.strand_id)
            held.append(
                {
                    "seq": row.seq, "attempts": row.attempts, "remaining_s": left,
                    "strand": None if strand is None else dict(strand),
                }
            )  # fmt: skip
        return held

    async def _end(self, inbox: InboxName, session: Session, work: Work, values: Values) -> Sequence[Any]:
        for said in json.loads(values["ends"]):
            row = await self._claimed(inbox, session, work, said["seq"], values["worker"])
            if row is None:
                continue
            state: State = said["state"]
            work.put(msgspec.structs.replace(row, state=state, error=said["error"], ended_ns=self._now_ns()))
            if state in {"expired", "failed"}:
                await self._mark(session, work, row, EXPIRED if state == "expired" else PROCESSING_FAILED)
        return []

    async def _mark(self, session: Session, work: Work, row: Delivered, mark: str) -> None:
        await self._server.own(session, work, "strand", row.strand_id)
        strand = work.strand(row.source, row.strand_id)
        if strand is not None and mark not in strand["tags"]:
            tags = [*strand["tags"], mark]
            work.top.strands[row.source, row.strand_id] = {
                **strand,
                "tags": tags,
                "updated_at": to_iso(self._now_ns()),
            }

    async def _again(self, inbox: InboxName, session: Session, work: Work, values: Values) -> Sequence[Any]:
        for said in json.loads(values["again"]):
            row = await self._claimed(inbox, session, work, said["seq"], values["worker"])
            if row is not None:
                due_ns = self._now_ns() + int(said["after_s"] * SECOND_NS)
                work.put(msgspec.structs.replace(row, state="waiting", error=said["error"], due_ns=due_ns))
        return []

    async def _claimed(
        self, inbox: InboxName, session: Session, work: Work, seq: int, worker: str
    ) -> Delivered | None:
        """A row that this worker has claimed, locked; None where it is another's by now."""
        await self._server.own(session, work, inbox, seq)
        row = work.row(inbox, seq)
        return row if row is not None and (row.state, row.worker) == ("claimed", worker) else None

    async def _give_back(
        self, inbox: InboxName, session: Session, work: Work, values: Values
    ) -> Sequence[Any]:
        ours = [row.seq for row in _of(work, inbox, values) if _is_claimed_by(row, values["worker"])]
        for seq in ours:
            row = await self._claimed(inbox, session, work, seq, values["worker"])
            if row is not None:
                tried = max(row.attempts - 1, 0)
                work.put(msgspec.structs.replace(row, state="waiting", attempts=tried, due_ns=self._now_ns()))
        return []

    async def _take_over(
        self, inbox: InboxName, session: Session, work: Work, values: Values
    ) -> Sequence[Any]:
        for row in list(_of(work, inbox, values)):
            if row.state != "claimed" or row.worker == values["worker"]:
                continue
            if not self._server.is_owned(work, *row.key):
                await self._server.own(session, work, *row.key)
                work.put(msgspec.structs.replace(row, state="waiting", due_ns=self._now_ns()))
        return []


async def _nothing(_: Session, __: Work, ___: Values) -> Sequence[Any]:
    return []


async def _protocol(_: Session, __: Work, ___: Values) -> Sequence[Any]:
    return [{"version": PROTOCOL_VERSION}]


def _strands_of(table: Table, values: Values) -> list[Row]:
    """The rows of a statement that writes strands; what is left out of one is as a new strand has it."""
    empty: Row = dict.fromkeys(KINDS[table].__struct_fields__)
    return [{**empty, "tags": [], **row} for row in json.loads(values["strands"])]


def _tags(words: Sequence[str], module: Module) -> Tags:
    try:
        return Tags.parse(words, by=module)
    except ContractError as error:
        raise psycopg.errors.CheckViolation(str(error)) from error


def _once(table: Table, said: Values) -> tuple[str, ...] | None:
    """What of a strand may be said once only; None where it may be said again."""
    tags = Tags.parse(said["tags"])
    if table == "ad_strands" and said["kind"] == SIGNAL:
        signal = (said["trading_plan"] or {}).get("signal_id")
        return None if signal is None else ("plan", str(signal), tags.account, tags.sender or DEFAULT_ALPHA)
    if table == "dm_strands" and said["kind"] in {DECISION, EXECUTION_PLAN} and tags.original is not None:
        return "answer", said["kind"], tags.original
    return None


def _sender(work: Work, original: str) -> str | None:
    """The alpha that a strand goes back to."""
    plan = work.delivered("dm_inbox", original, EVALUATE_PLAN)
    if plan is not None:
        return plan.sender
    command = work.delivered("trader_inbox", original, EXECUTE_PLAN)
    return None if command is None else command.sender


def _of(work: Work, inbox: InboxName, values: Values) -> Iterator[Delivered]:
    """The open rows of one recipient."""
    address = values["account"], values["name"]
    return (row for row in work.waiting(inbox) if (row.account, row.recipient) == address)


def _is_claimed_by(row: Delivered, worker: str) -> bool:
    return row.state == "claimed" and row.worker == worker


def _is_held(row: Delivered, values: Values) -> bool:
    return _is_claimed_by(row, values["worker"]) and row.attempts == values["attempts"]
