"""Text files as spreadsheets, terminals and broken downloads leave them.

None is accepted, for a guessed separator would split decimal commas as well. Each is refused with
what is wrong and what to do, and whatever it holds, little of it stands in the message.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles
from coin_assets.market.candle_files import read_candle_file

HOUR = Timeframe("1h")
MOST = 1500  # characters of a message, the file's path aside
COLUMNS = ["open", "high", "low", "close", "volume"]


def frame() -> pd.DataFrame:
    opens = pd.date_range("2024-03-30 20:00", periods=12, freq="h", tz="UTC")
    rows = [
        (1000 + n * 1.5, 1002 + n * 1.5, 999 + n * 1.5, 1001 + n * 1.5, 10 + n) for n in range(12)
    ]
    candles = pd.DataFrame(rows, columns=COLUMNS, dtype="float64")
    candles.insert(0, "timestamp", opens.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return candles


def csv(**options: object) -> bytes:
    text: str = frame().to_csv(index=False, **options)  # type: ignore[call-overload]
    return text.encode()


BASE = csv()
LINES = BASE.decode().splitlines()


def refusal(folder: Path, content: bytes, name: str = "BTC_USDT_1h.csv") -> InvalidCandles:
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(InvalidCandles) as caught:
        read_candle_file(path, HOUR)
    message = str(caught.value)
    assert len(message.replace(str(path), "")) < MOST
    assert message.isprintable()
    return caught.value


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.csv", BASE)
    return buffer.getvalue()


SEMICOLONS = "the columns are separated by semicolons; write commas"
DECIMAL = "numbers have decimal or thousands commas; write 1234.5"
NO_HEADER = "there is no header row; add one"
UTF_8 = "save it as UTF-8"

SEPARATED: dict[str, tuple[bytes, list[str]]] = {
    "semicolons": (csv(sep=";"), [SEMICOLONS]),
    "quoted semicolons": (csv(sep=";", quoting=1), [SEMICOLONS]),
    "semicolons, decimal commas": (csv(sep=";", decimal=","), [SEMICOLONS, DECIMAL]),
    "all of it": (csv(sep=";", decimal=",", quoting=1), [SEMICOLONS, DECIMAL]),
    "semicolons, thousands": (csv(sep=";").replace(b"1000.0", b"1,000.0"), [SEMICOLONS, DECIMAL]),
    "German thousands": (csv(sep=";").replace(b"1000.0", b"1.000,00"), [SEMICOLONS, DECIMAL]),
    "semicolons, capitals": (
        csv(sep=";", header=["Date", "Open", "High", "Low", "Close", "Volume"]),
        [SEMICOLONS, "column timestamp is missing (it has Date, Open"],
    ),
    "semicolons below a banner": (b"sep=;\n" + csv(sep=";"), [SEMICOLONS]),
    "semicolons, CRLF, mark": (b"\xef\xbb\xbf" + csv(sep=";", lineterminator="\r\n"), [SEMICOLONS]),
    "semicolons without header": (csv(sep=";", header=False), [SEMICOLONS, NO_HEADER]),
    "a header alone": (csv(sep=";").splitlines()[0], [SEMICOLONS]),
    "tabs": (csv(sep="\t"), ["separated by tabs; write commas"]),
    "tabs, decimal commas": (csv(sep="\t", decimal=","), ["separated by tabs", DECIMAL]),
    "bars": (csv(sep="|"), ["separated by vertical bars; write commas"]),
    "blanks": (csv(sep=" "), ["separated by blanks; write commas"]),
    "MetaTrader": (
        b"<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\n2024.03.30\t20:00\t1\t2\t1\t1\t9",
        ["separated by tabs", "column volume, timestamp is missing (it has <DATE>, <TIME>, <OPEN>"],
    ),
    "NinjaTrader": (b"20240330 200000;1;2;0.5;1;10\n" * 3, [SEMICOLONS, NO_HEADER]),
    "lines in quotes": (
        "".join(f'"{line}"\n' for line in LINES).encode(),
        ["each line stands in quotes"],
    ),
}


@pytest.mark.parametrize("what", SEPARATED)
def test_other_separators_than_commas_are_named_with_what_else_is_wrong(
    tmp_path: Path, what: str
) -> None:
    content, words = SEPARATED[what]
    refused = refusal(tmp_path, content)
    assert refused.rule == "columns"
    assert [each for each in words if each not in (refused.cause or "")] == []
    assert len(refused.offenders) == 1


KINDS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(BASE), "compressed with gzip; unpack it"),
    "bzip2": (bz2.compress(BASE), "compressed with bzip2; unpack it"),
    "xz": (lzma.compress(BASE), "compressed with xz; unpack it"),
    "zip or xlsx": (zipped(), "a zip archive or an Excel workbook"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "an Excel workbook"),
    "UTF-16": (BASE.decode().encode("utf-16"), "UTF-16 text; " + UTF_8),
    "UTF-16, big end first": (b"\xfe\xff" + BASE.decode().encode("utf-16-be"), "UTF-16 text"),
    "UTF-16 without mark": (BASE.decode().encode("utf-16-le"), "UTF-16 text; " + UTF_8),
    "Latin-1": (BASE.replace(b"volume", b"volume,Schlu\xdfkurs"), "not UTF-8; " + UTF_8),
    "Latin-1 far below": (BASE * 3000 + b"\xe9", "not UTF-8; " + UTF_8),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n",
        "Git LFS pointer; run git lfs pull",
    ),
    "git-annex": (b"/annex/objects/SHA256E-s99--ab.csv\n", "git-annex pointer; run git annex get"),
    "HTML": (
        b"\n <!DOCTYPE html><html><body>404 Not Found</body></html>",
        "a web page or an error",
    ),
    "HTML, capitals": (b"<HTML><HEAD><TITLE>x</TITLE></HEAD>" * 99, "a web page or an error"),
    "XML": (
        b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>',
        "a web page or an error",
    ),
    "JSON": (b"[[1711828800000,1,2,0.5,1,10]]", "JSON; write its rows as CSV"),
    "JSON error": (b'{"code":-1121,"msg":"Invalid symbol."}', "JSON; write its rows as CSV"),
    "Parquet": (b"PAR1" + bytes(50), "a Parquet file; name it .parquet"),
    "NUL tail": (BASE + bytes(4096), "ends in 4,096 NUL bytes"),
    "a long NUL tail": (BASE + bytes(100_000), "ends in 100,000 NUL bytes"),
    "one NUL at the end": (BASE + b"\0", "ends in 1 NUL bytes"),
    "NUL bytes alone": (bytes(5000), "ends in 5,000 NUL bytes"),
    "NUL bytes inside": (
        BASE[:200] + bytes(64) + BASE[264:],
        "has NUL bytes, the first at byte 200",
    ),
}


@pytest.mark.parametrize("what", KINDS)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: Path, what: str) -> None:
    content, words = KINDS[what]
    refused = refusal(tmp_path, content)
    assert refused.rule == "unreadable"
    assert words in (refused.cause or "")
    assert "Expected is a Parquet file, or a CSV" in str(refused)


@pytest.mark.parametrize("what", ["gzip", "HTML", "Git LFS", "zip or xlsx"])
def test_the_same_is_said_of_a_file_that_is_called_parquet(tmp_path: Path, what: str) -> None:
    content, words = KINDS[what]
    refused = refusal(tmp_path, content, "BTC_USDT_1h.parquet")
    assert (refused.rule, words in (refused.cause or "")) == ("unreadable", True)
    assert "text; name it .csv" in (refusal(tmp_path, BASE, "x.parquet").cause or "")


def in_milliseconds(lines: list[str]) -> list[str]:
    return [lines[0], *(f"{1711828800000 + 3600000 * n},1,1,1,1,1" for n in range(12))]


ROWS: dict[str, tuple[Callable[[list[str]], list[str]], str, str]] = {
    "a header again": (
        lambda lines: [*lines[:6], lines[0], *lines[6:]],
        "timestamp_type",
        "the header row stands again in row 6",
    ),
    "a header again, in milliseconds": (
        lambda lines: [*in_milliseconds(lines), lines[0]],
        "timestamp_type",
        "the header row stands again in row 13",
    ),
    "another header": (
        lambda lines: [*lines, "Open Time,Open,High,Low,Close,Volume"],
        "timestamp_type",
        "the header row stands again in row 13",
    ),
    "a footer": (
        lambda lines: [*lines, "Source: example.org"],
        "timestamp_type",
        "the file ends in lines that are no candles; remove them",
    ),
    "a comma behind each row": (
        lambda lines: [lines[0], *(f"{line}," for line in lines[1:])],
        "unreadable",
        "rows end in a comma that the header lacks; remove it",
    ),
    "decimal commas": (
        lambda lines: [lines[0], *(line.replace(".", ",") for line in lines[1:])],
        "unreadable",
        "decimal commas split each number in two; write 1234.5",
    ),
    "quoted decimal commas": (
        lambda lines: [lines[0], *(line.replace("1001.0", '"1001,0"') for line in lines[1:])],
        "not_numeric",
        "decimal or thousands commas; write 1234.5",
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_rows_that_are_no_candles_are_explained(tmp_path: Path, what: str) -> None:
    change, rule, words = ROWS[what]
    refused = refusal(tmp_path, "\n".join(change(LINES)).encode())
    assert (refused.rule, words in (refused.cause or "")) == (rule, True), refused


LONG = "x" * 50_000
ENDLESS: dict[str, bytes] = {
    "one line": b"x" * 300_000,
    "one line of fields": b"x;" * 100_000,
    "one line of blanks": b" " * 200_000,
    "a column name": f"timestamp,open,high,low,close,{LONG}\n".encode(),
    "column names": (",".join(f"{LONG[:900]}{n}" for n in range(50)) + "\n").encode(),
    "a banner": f"{LONG}\n".encode() + BASE,
    "a time": BASE + f"{LONG},1,1,1,1,1\n".encode(),
    "a price": BASE + f"2024-03-31T08:00:00Z,{LONG},1,1,1,1\n".encode(),
    "a separated line": f"timestamp;open;high;low;close;volume;{LONG}\n".encode(),
    "too many fields": BASE + b"1," * 30_000,
    "more fields than the header": b"\n".join(
        [BASE.splitlines()[0], *(line + f",{LONG}".encode() for line in BASE.splitlines()[1:])]
    ),
    "control characters": BASE + b"\x1b[31m\x07\x08" * 2000 + b",1,1,1,1,1\n",
    "a quote that never ends": b'"' + BASE * 2000,
    "noise": bytes(range(1, 256)) * 400,
}


@pytest.mark.parametrize("what", ENDLESS)
def test_little_of_an_endless_value_stands_in_the_message(tmp_path: Path, what: str) -> None:
    assert refusal(tmp_path, ENDLESS[what]).rule
