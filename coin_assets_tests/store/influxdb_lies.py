"""Answers of a server that is no InfluxDB, or lies: annotated CSV in the form of the real one.

The form is that of https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/ and of
the stand-in `coin_assets_tests.influx`.
"""

import itertools
import json
from collections.abc import Callable

from coin_assets.domain.candles.frame import VALUES
from coin_assets_tests.market.hostile import MB, Answer, body, sent, without_end, zeros

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
_KEYS = [
    *("seen_at", "redone_at"),
    *(f"{age}_{name}" for age in ("old", "new") for name in VALUES),
]


def table(kind: str, rows: bytes, more: str = "") -> bytes:
    """A table of ``_time,_value,_field`` and more columns, of values of one type."""
    types = "".join(",string" for _ in more.split(",") if more)
    datatype = f"#datatype,string,long,dateTime:RFC3339,{kind},string{types}\r\n"
    names = f",result,table,_time,_value,_field{',' if more else ''}{more}\r\n"
    return (datatype + names).encode() + rows + b"\r\n"


def point(field: str, value: str, time: str = "2026-11-01T00:00:00Z") -> bytes:
    quoted = value.replace('"', '""')
    return f',,0,{time},"{quoted}",{field}\r\n'.encode()


MARKET = table("string", point("market", "sandbox", "2100-01-01T00:00:00Z"))


def after_the_market(answer: Answer) -> Answer:
    """The claim of the bucket, then ``answer`` again and again."""
    number = itertools.count()
    claim = body(MARKET)
    return lambda connection: (answer if next(number) else claim)(connection)


def filled(head: bytes, piece: bytes, megabytes: int = 46) -> bytes:
    return head + piece * ((megabytes * MB - len(head)) // len(piece))


def failed(content: bytes) -> Answer:
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
    return sent(head, b"Content-Length: %d\r\n\r\n" % len(content), content)


def _revisions(record: str) -> bytes:
    """Points whose texts take less than a megabyte each, in 46 MB."""
    text = f"[{','.join([record] * (900_000 // (len(record) + 1)))}]"
    times = (f"2026-11-01T{hour:02d}:{minute:02d}:00Z" for hour in range(1) for minute in range(46))
    return table("string", b"".join(point("records", text, time) for time in times))


_ROW = b",,0,2026-11-01T00:00:00Z,1,%s\r\n"
_DOUBLE = table("double", b"")[:-2]
# What is read -> what the server sends -> the answer, made when it is needed.
LIES: dict[str, dict[str, Callable[[], Answer]]] = {
    "candles": {
        "without end": lambda: without_end(CHUNKED, b"10000\r\n%s\r\n" % (b"," * 65536)),
        "a bomb": lambda: body(zeros(1500), "gzip"),
        "an error that is a bomb": lambda: sent(
            b"HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\n",
            b"Content-Length: %d\r\n\r\n" % len(zeros(1500)),
            zeros(1500),
        ),
        "many points": lambda: body(filled(_DOUBLE, _ROW % b"open")),
        "many fields": lambda: body(
            _DOUBLE + b"".join(_ROW % b"%d" % number for number in range(1_200_000))
        ),
        "many columns": lambda: body(filled(b"#datatype", b",ab") + b"\r\n,a\r\n1\r\n"),
        "many tables": lambda: body(filled(b"", b"#datatype,long\r\n,a\r\n,1\r\n\r\n")),
        "empty tables": lambda: body(filled(b"", b"#datatype\n")),
        "empty cells": lambda: body(filled(_DOUBLE, b",,,,,\n")),
        "a long error": lambda: body(filled(b"#datatype,string\r\n,error\r\n", b",ab\r\n")),
        "a long word": lambda: body(filled(b"#datatype,string\r\n,error\r\n,", b"ab")),
        "a long refusal": lambda: failed(filled(b'{"message": [', b"[],") + b"[]]}"),
    },
    "ledger": {
        "a ledger of lists": lambda: body(
            table("string", point("document", "[" + "[]," * (15 * MB) + "[]]"))
        ),
        "a shorter one": lambda: body(
            table("string", point("document", "[" + "[]," * (2 * MB) + "[]]"))
        ),
    },
    "revisions": {
        "revisions of nothing": lambda: body(_revisions("{}")),
        "revisions of zeros": lambda: body(_revisions(json.dumps(dict.fromkeys(_KEYS, 0)))),
        "revisions without a time": lambda: body(
            _revisions(json.dumps(dict.fromkeys(_KEYS, 0) | dict.fromkeys(_KEYS[:2])))
        ),
    },
    "months": {
        "many months": lambda: body(filled(_DOUBLE, b",,0,2026-11-01T00:00:00Z,1,a\r\n")),
    },
    "bucket": {
        "a long list of buckets": lambda: body(b'{"buckets": [' + b"[]," * 300_000 + b"[]]}"),
    },
}
