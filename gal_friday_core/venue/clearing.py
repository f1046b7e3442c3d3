"""Where trades are booked: accounts, the outside market, fees, and the updates that tell of it.

Invariant: for each asset, accounts + outside + fees = deposits, to the last digit.
"""

from collections.abc import Mapping
from decimal import Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, product
from gal_friday_core.venue import reports
from gal_friday_core.venue.accounts import (
    Account,
    cost_of,
    fee_asset,
    needed,
    open_account,
    purse_asset,
    settle,
)
from gal_friday_core.venue.identifiers import Identifiers
from gal_friday_core.venue.limits import Tier
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_core.venue.requests import Side
from gal_friday_core.venue.updates import BalanceUpdate, LedgerType, Update


class Clearing:
    """All money of the venue. `updates` collects what happened, in order, until the venue hands it out."""

    def __init__(self, ids: Identifiers) -> None:
        self.ids = ids
        self.accounts: dict[str, Account] = {}
        self.outside: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.updates: list[Update] = []
        self.prices_in_usd: dict[str, Decimal] = {}
        self._orders = 0

    def open(self, name: str, tier: Tier, funds: Mapping[str, Decimal], now_ns: int) -> None:
        """A new account with its deposits in the ledger. Raises ContractError for a name that exists."""
        if name in self.accounts:
            raise ContractError(f"account {name} exists already")
        account = self.accounts[name] = open_account(name, tier, {})
        open_account(name, tier, funds)
        for asset, amount in funds.items():
            self._enter(account, asset, (amount, ZERO), self.ids.issue("L"), now_ns, kind="deposit")

    def move(self, name: str, asset: str, amount: Decimal, now_ns: int) -> Decimal:
        """A deposit, or a withdrawal where negative, of no more than is available; what was moved."""
        account = self.accounts[name]
        moved = max(amount, -account.available(asset))
        kind: LedgerType = "deposit" if moved > 0 else "withdrawal"
        if moved:
            self._enter(account, asset, (moved, ZERO), self.ids.issue("L"), now_ns, kind=kind)
        return moved

    def totals(self) -> dict[str, Decimal]:
        """What accounts, outside and fees hold together, by asset."""
        sums: dict[str, Decimal] = {}
        for holder in (*(account.balances for account in self.accounts.values()), self.outside, self.fees):
            for asset, amount in holder.items():
                sums[asset] = sums.get(asset, ZERO) + amount
        return sums

    def register(self, order: VenueOrder) -> None:
        """Give an order its id and keep it for good."""
        self._orders += 1
        order.number = self._orders
        order.order_id = self.ids.issue("O")
        self.accounts[order.account].orders[order.order_id] = order

    def reserve(self, order: VenueOrder, listing: Listing, purse: Decimal) -> bool:
        """Let an order hold `purse` instead of what it held; False, and nothing changed, where that is too much."""
        account = self.accounts[order.account]
        asset = purse_asset(listing, order.asked.side)
        change = purse - order.purse
        if change > account.available(asset):
            return False
        account.hold(asset, change)
        order.purse = purse
        return True

    def reserve_all(self, order: VenueOrder, listing: Listing) -> None:
        """Let a buy without a limit hold all that is free, for as long as it matches."""
        free = self.accounts[order.account].available(listing.quote.name)
        self.reserve(order, listing, order.purse + free)

    def release(self, order: VenueOrder, listing: Listing) -> None:
        self.reserve(order, listing, ZERO)

    def fill(
        self,
        order: VenueOrder,
        listing: Listing,
        traded: tuple[Decimal, Decimal],
        trade_id: int,
        *,
        maker: bool,
        now_ns: int,
    ) -> Execution:
        """Book one side of a trade (quantity, price): balances, purse, ledger, the order's sums, the events."""
        quantity, price = traded
        account = self.accounts[order.account]
        spend = cost_of(listing, quantity, price) if order.asked.side == "buy" else quantity
        rest = self._rest_after(order, listing, quantity)
        rate = order.maker_rate if maker else order.taker_rate
        settled = settle(listing, order, traded, rate, order.purse - spend - rest)
        self._shrink(order, listing, account, spend + settled.fee_from_purse, quantity)
        exec_id = self.ids.issue("T")
        sign = 1 if order.asked.side == "buy" else -1
        in_base = fee_asset(listing, order) == listing.base.name
        moves = {
            listing.base.name: (sign * quantity, settled.fee if in_base else ZERO),
            listing.quote.name: (-sign * settled.cost, ZERO if in_base else settled.fee),
        }
        ledgers = [self._enter(account, asset, move, exec_id, now_ns) for asset, move in moves.items()]
        self.fees[settled.fee_asset] = self.fees.get(settled.fee_asset, ZERO) + settled.fee
        execution = Execution(
            exec_id=exec_id,
            order_id=order.order_id,
            symbol=listing.symbol,
            side=order.asked.side,
            order_type=order.asked.order_type,
            trade_id=trade_id,
            price=price,
            quantity=quantity,
            cost=settled.cost,
            fee=settled.fee,
            fee_asset=settled.fee_asset,
            maker=maker,
            time_ns=now_ns,
            ledgers=(ledgers[0], ledgers[1]),
        )
        self._record(order, account, execution, listing)
        return execution

    def outside_fill(self, side: Side, listing: Listing, quantity: Decimal, price: Decimal) -> None:
        """Book the outside market's side of a trade with a client."""
        sign = 1 if side == "buy" else -1
        base, quote = listing.base.name, listing.quote.name
        self.outside[base] = self.outside.get(base, ZERO) + sign * quantity
        self.outside[quote] = self.outside.get(quote, ZERO) - sign * cost_of(listing, quantity, price)

    def in_usd(self, asset: str) -> Decimal:
        """Dollars for one unit: 1 for USD, the last price where a dollar pair traded, else 1."""
        return self.prices_in_usd.get(asset, Decimal(1))

    def _rest_after(self, order: VenueOrder, listing: Listing, quantity: Decimal) -> Decimal:
        """What the purse must keep, without fees, for the part of the order that stays unfilled."""
        asked = order.asked
        if asked.cash_order_qty is not None:
            return ZERO
        left = order.left - quantity
        if asked.side == "sell":
            return left
        return ZERO if order.limit is None or not left else _ceil_cost(listing, left, order.limit)

    def _shrink(
        self, order: VenueOrder, listing: Listing, account: Account, spent: Decimal, quantity: Decimal
    ) -> None:
        """Take what a fill spent out of the purse, and what the rest no longer needs."""
        purse = order.purse - spent
        bounded = order.asked.side == "sell" or order.limit is not None
        if bounded and order.asked.cash_order_qty is None:
            left = order.left - quantity
            purse = min(purse, needed(listing, order, left, order.limit))
        account.hold(purse_asset(listing, order.asked.side), purse - order.purse)
        order.purse = purse

    def _record(self, order: VenueOrder, account: Account, execution: Execution, listing: Listing) -> None:
        order.cum_qty += execution.quantity
        order.cum_cost += execution.cost
        order.cum_fee += execution.fee
        if order.asked.cash_order_qty is not None:
            order.quantity = order.cum_qty
        order.executions.append(execution)
        order.become("partially_filled", execution.time_ns)
        account.executions.append(execution)
        rate = self.in_usd(listing.quote.name)
        account.remember_volume(execution.cost * rate, execution.time_ns)
        self.updates.append(reports.trade(order, execution, listing, rate))

    def _enter(
        self,
        account: Account,
        asset: str,
        move: tuple[Decimal, Decimal],
        ref_id: str,
        now_ns: int,
        *,
        kind: LedgerType = "trade",
    ) -> str:
        """Change a balance by amount − fee, with its ledger entry."""
        amount, fee = move
        balance = account.balances.get(asset, ZERO) + amount - fee
        if balance < 0:
            raise ContractError(f"{account.name}: {asset} would fall to {balance}")
        account.balances[asset] = balance
        entry = BalanceUpdate(
            account=account.name,
            asset=asset,
            amount=amount,
            fee=fee,
            balance=balance,
            ledger_id=self.ids.issue("L"),
            ref_id=ref_id,
            type=kind,
            timestamp=now_ns,
        )
        account.ledger.append(entry)
        self.updates.append(entry)
        return entry.ledger_id


def _ceil_cost(listing: Listing, quantity: Decimal, price: Decimal) -> Decimal:
    """The cost of a quantity, rounded up to the unit that is booked."""
    floor = cost_of(listing, quantity, price)
    return floor if floor == product(quantity, price) else floor + listing.cost_unit
