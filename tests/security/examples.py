"""Good messages of every kind, from which bad ones are made."""

import base64
import json

from gal_friday_core import events
from tests.core.test_event_schemas import EXAMPLES, NOW

BOOK = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":29999.9,"qty":0.50000000},'
    b'{"price":29999.8,"qty":1.25000000}],"asks":[{"price":30000.1,"qty":0.50000000}],"checksum":974942666,'
    b'"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
WIRE = (
    BOOK,
    (
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":27120.0,"qty":0.5,'
        b'"ord_type":"market","trade_id":12345,"timestamp":"2023-09-25T07:49:37.708706Z"}]}'
    ),
    (
        b'{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD","open":1.5,"high":2.5,"low":1.0,"close":2.0,'
        b'"trades":5,"volume":10.5,"vwap":1.9,"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5}]}'
    ),
    (
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":1.0,"bid_qty":2.0,"ask":1.1,"ask_qty":3.0,'
        b'"last":1.05,"volume":100.0,"vwap":1.04,"low":0.9,"high":1.2,"change":-0.01,"change_pct":-0.95}]}'
    ),
    (
        b'{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"USD","status":"enabled","precision":4,'
        b'"precision_display":2}],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online",'
        b'"price_precision":1,"price_increment":0.1,"qty_precision":8,"qty_increment":1e-8,"qty_min":0.0001,'
        b'"cost_precision":5,"cost_min":0.5}]}}'
    ),
    b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2","connection_id":1393}]}',
    b'{"channel":"heartbeat"}',
    b'{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true}',
    b'{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z"}',
    b'{"error":"Exceeded msg rate","success":false}',
)
V1 = (
    (
        b'[336,{"a":[["27120.00000","4.28732553","1693415327.935623"]]},'
        b'{"b":[["27119.90000","0.00000000","1693415328.000001","r"]],"c":"974942666"},"book-10","XBT/USD"]'
    ),
    (
        b'[336,{"as":[["5541.30000","2.50700000","1534614248.123678"]],"bs":[["5541.20000","1.5","1534614248.765567"]]},'
        b'"book-10","XBT/USD"]'
    ),
    (
        b'{"channelID":336,"channelName":"book-10","event":"subscriptionStatus","pair":"XBT/USD","status":"subscribed",'
        b'"subscription":{"depth":10,"name":"book"}}'
    ),
    b'{"connectionID":8,"event":"systemStatus","status":"online","version":"1.0.0"}',
)
ORDER = (
    b'{"O1":{"status":"closed","opentm":1705260547.472,"closetm":"1705260547.5","vol":"0.1","vol_exec":"0.1",'
    b'"cost":"7.1","fee":"0.02","price":"71.05","descr":{"pair":"XBTUSD","type":"buy","ordertype":"limit",'
    b'"price":"71.1","price2":"0","leverage":"none","order":"buy","close":""},"oflags":"fciq","misc":"",'
    b'"limitprice":"0","stopprice":"0","trades":["T1"],"cl_ord_id":"a","userref":1}}'
)
FILL = (
    b'{"T1":{"ordertxid":"O1","pair":"XXBTZUSD","time":1688667796.88,"type":"sell","ordertype":"limit","price":"30010.0",'
    b'"cost":"600.2","fee":"0.96","vol":"0.02","margin":"0","misc":"","trade_id":40274859,"maker":true}}'
)
LEDGER = (
    b'{"L1":{"refid":"T1","time":1688464484.17,"type":"deposit","subtype":"","aclass":"currency","asset":"ZUSD",'
    b'"amount":"-24.5","fee":"0.49","balance":"459567.9"}}'
)
PAIR = (
    b'{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","pair_decimals":1,"lot_decimals":8,'
    b'"cost_decimals":5,"ordermin":"0.0001","costmin":"0.5","tick_size":"0.1","status":"online"}}'
)
ENVELOPE = b'{"error":["EGeneral:Temporary lockout","EOrder:Insufficient funds"],"result":{"unixtime":1616336594,"rfc1123":""}}'
RAW_EVENTS = tuple(
    events.Event(
        event_id="e", event_type=kind, timestamp=NOW, source_module="test", payload=payload, priority=1
    ).to_json()
    for kind, payload in EXAMPLES.items()
)


METHODS = tuple(
    json.dumps({"method": method, "params": {"token": "TOKEN", **params}, "req_id": 1}).encode()
    for method, params in (
        ("add_order", {"order_type": "limit", "side": "buy", "symbol": "BTC/USD", "order_qty": 0.001, "limit_price": 29000.5}),
        (
            "add_order",
            {
                "order_type": "stop-loss", "side": "sell", "symbol": "BTC/USD", "order_qty": "0.001",
                "triggers": {"price": 25000, "reference": "last"}, "cl_ord_id": "a-b", "deadline": "2099-01-01T00:00:00Z",
            },
        ),
        ("amend_order", {"order_id": "O1", "order_qty": 1, "limit_price": 2}),
        ("batch_add", {"symbol": "BTC/USD", "orders": [{"order_type": "market", "side": "buy", "order_qty": 1}] * 2}),
        ("cancel_order", {"order_id": ["O1"], "cl_ord_id": ["x"]}),
        ("cancel_all_orders_after", {"timeout": 60}),
        ("subscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 10, "snapshot": True}),
        ("subscribe", {"channel": "executions", "snap_trades": True, "ratecounter": True}),
        ("ping", {}),
    )
)  # fmt: skip
REQUESTS = (
    b"AddOrder?nonce=NONCE&pair=XBTUSD&type=buy&ordertype=limit&volume=0.001&price=29000&close[ordertype]=stop-loss&close[price]=1",
    b'AddOrderBatch?{"nonce":NONCE,"pair":"XBTUSD","orders":[{"ordertype":"limit","type":"buy","volume":1,"price":1.5}]}',
    b"AmendOrder?nonce=NONCE&txid=O1&order_qty=1.5&limit_price=2",
    b"CancelAllOrdersAfter?nonce=NONCE&timeout=60",
    b"ClosedOrders?nonce=NONCE&start=1600000000.5&end=1700000000&ofs=50&trades=true",
    b"Ledgers?nonce=NONCE&asset=USD&type=trade&start=1&end=2&ofs=0",
    b"OHLC?pair=XBTUSD&interval=5&since=1600000000",
    b"Trades?pair=XBTUSD&since=1600000000000000000&count=10",
    b"Depth?pair=XBTUSD&count=10",
)  # fmt: skip
RECORDS = (
    b'{"kind":"connect","url":"wss://ws.kraken.com/v2","ts":1618678132.385815100,"id":1}\n',
    b'{"kind":"server","ts":1618678132.825818800,"msg":' + BOOK + b"}\n",
    b'{"kind":"server","ts":1618678132.9,"bytes":"' + base64.b64encode(b"\xff\xfe") + b'"}\n',
    b'{"kind":"gap","ts":1618678133,"dropped":5}\n',
)
