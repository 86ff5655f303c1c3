"""Queries through the real client: shapes of answers to the byte, and what the stages do."""

from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets_tests.influx.test_writing import write

START, STOP = "1970-01-01T00:00:00Z", "1970-01-01T00:01:40Z"
RANGE = f"range(start: {START}, stop: {STOP})"
FROM = f'from(bucket: "market") |> {RANGE}'
PIVOT = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
CANDLES = """\
ohlcv,symbol=BTC,timeframe=1h close=1.5,open=1 10
ohlcv,symbol=BTC,timeframe=1h close=2.5,open=1.5 20
ohlcv,symbol=ETH,timeframe=1h close=7,open=6 20
"""
NOTED = CANDLES + r'ohlcv,symbol=ETH,timeframe=1h note="a, \"b\"" 30'


def answer(client: InfluxDBClient, query: str) -> str:
    with client.query_api().query_raw(query) as response:
        body: bytes = response.read()
    return body.decode()


def rows(client: InfluxDBClient, stages: str) -> list[str]:
    """Headers and rows of a query, without result and what all rows have in common."""
    keep = '|> drop(columns: ["_start", "_stop", "_measurement", "timeframe"])'
    text = answer(client, f"{FROM} {stages} {keep}")
    found = [line for line in text.split("\r\n") if line and line[0] != "#"]
    return [
        line.removeprefix(",result,table,").removeprefix(",,").replace("1970-01-01T00:00:", "")
        for line in found
    ]


def test_an_answer_to_the_byte(client: InfluxDBClient) -> None:
    write(client, NOTED)
    group = "#group,false,false,true,true,false,false,true,true,true,true\r\n#default,_result"
    head = ",result,table,_start,_stop,_time,_value,_field,_measurement,symbol,timeframe\r\n"
    times = "dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339"

    def schema(kind: str) -> str:
        kinds = f"#datatype,string,long,{times},{kind},string,string,string,string\r\n"
        return f"{kinds}{group},,,,,,,,,\r\n{head}"

    def row(table: int, second: int, rest: str) -> str:
        return f",,{table},{START},{STOP},1970-01-01T00:00:{second}Z,{rest},1h\r\n"

    assert answer(client, FROM) == "".join(
        [
            schema("double"),
            row(0, 10, "1.5,close,ohlcv,BTC"),
            row(0, 20, "2.5,close,ohlcv,BTC"),
            row(1, 10, "1,open,ohlcv,BTC"),
            row(1, 20, "1.5,open,ohlcv,BTC"),
            row(2, 20, "7,close,ohlcv,ETH"),
            "\r\n",
            schema("string"),
            row(3, 30, '"a, ""b""",note,ohlcv,ETH'),
            "\r\n",
            schema("double"),
            row(4, 20, "6,open,ohlcv,ETH"),
            "\r\n",
        ]
    )


def test_an_empty_answer_is_an_empty_line(client: InfluxDBClient) -> None:
    assert answer(client, FROM) == "\r\n"
    assert client.query_api().query_data_frame(FROM + PIVOT).empty


def test_a_range_includes_its_start_only(client: InfluxDBClient) -> None:
    write(client, "m f=1 9\nm f=2 10\nm f=3 20")
    span = "range(start: 1970-01-01T00:00:10Z, stop: 1970-01-01T01:00:20+01:00)"
    (table,) = client.query_api().query(f'from(bucket: "market") |> {span}')
    assert [each.get_value() for each in table.records] == [2.0]


def test_a_pivot_straight_from_the_storage_is_sorted(client: InfluxDBClient) -> None:
    write(client, NOTED + "\nohlcv,symbol=ETH,timeframe=1h open=5 10")
    assert rows(client, PIVOT) == [
        "_time,symbol,close,open",
        "0,10Z,BTC,1.5,1",
        "0,20Z,BTC,2.5,1.5",
        "_time,symbol,close,note,open",
        "1,10Z,ETH,,,5",
        "1,20Z,ETH,7,,6",
        '1,30Z,ETH,,"a, ""b""",',
    ]


def test_any_other_pivot_keeps_the_order_of_appearance(client: InfluxDBClient) -> None:
    write(client, CANDLES + "ohlcv,symbol=ETH,timeframe=1h open=5 10")
    found = rows(client, f"|> limit(n: 5) {PIVOT}")
    assert found[-2:] == ["1,20Z,ETH,7,6", "1,10Z,ETH,,5"]
    wide = '|> group() |> pivot(rowKey: ["_time", "symbol"], columnKey: ["_field"], '
    assert rows(client, f'{wide} valueColumn: "_value")') == [
        "_time,symbol,close,open",
        "0,10Z,BTC,1.5,1",
        "0,20Z,BTC,2.5,1.5",
        "0,20Z,ETH,7,6",
        "0,10Z,ETH,,5",
    ]


def test_selectors_and_counts_answer_for_each_series_and_field(client: InfluxDBClient) -> None:
    write(client, NOTED)
    field = '|> filter(fn: (r) => r._field == "close" or r._field == "note")'
    assert rows(client, f"{field} |> last()") == [
        "_time,_value,_field,symbol",
        "0,20Z,2.5,close,BTC",
        "1,20Z,7,close,ETH",
        "_time,_value,_field,symbol",
        '2,30Z,"a, ""b""",note,ETH',
    ]
    assert rows(client, f"{field} |> first()")[1] == "0,10Z,1.5,close,BTC"
    assert rows(client, f"{field} |> count()") == [
        "_value,_field,symbol",
        "0,2,close,BTC",
        "1,1,close,ETH",
        "2,1,note,ETH",
    ]
    floats = '|> filter(fn: (r) => r._field == "close") |> group()'
    assert rows(client, f"{floats} |> max()")[1:] == ["0,20Z,7,close,ETH"]
    assert rows(client, f"{floats} |> min()")[1:] == ["0,10Z,1.5,close,BTC"]
    opens = f'{PIVOT} |> count(column: "open")'
    assert rows(client, opens) == ["symbol,open", "0,BTC,2", "1,ETH,2"]  # one of them null


def test_last_of_a_group_is_by_time_in_the_storage_and_by_order_after_it(
    client: InfluxDBClient,
) -> None:
    write(client, "m,t=a f=1 50\nm,t=b f=2 40")
    assert rows(client, "|> group() |> last()")[1] == "0,50Z,1,f,a"
    assert rows(client, "|> last() |> group() |> last()")[1] == "0,40Z,2,f,b"


def test_group_keys(client: InfluxDBClient) -> None:
    write(client, CANDLES)

    def group(stages: str) -> str:
        lines = answer(client, f"{FROM} {stages}").split("\r\n")
        flags, names = (lines[number].split(",") for number in (1, 3))
        return " ".join(name for flag, name in zip(flags, names, strict=True) if flag == "true")

    assert group("") == "_start _stop _field _measurement symbol timeframe"
    assert group('|> group(columns: ["symbol"])') == "_start _stop symbol"
    assert group('|> limit(n: 9) |> group(columns: ["symbol"])') == "symbol"
    assert group('|> group(columns: ["_time"])') == "_time"
    assert group("|> limit(n: 9) |> group()") == ""
    except_both = '|> group(columns: ["_time", "_value", "_start", "_stop"], mode: "except")'
    assert group(except_both) == "_field _measurement symbol timeframe"
    assert group(PIVOT) == "_start _stop _measurement symbol timeframe"
    assert group('|> keep(columns: ["symbol", "_value"])') == "symbol"


def test_keep_makes_tables_that_are_alike_one(client: InfluxDBClient) -> None:
    write(client, CANDLES)
    assert rows(client, '|> last() |> keep(columns: ["_time", "symbol"])') == [
        "_time,symbol",
        "0,20Z,BTC",
        "0,20Z,BTC",
        "1,20Z,ETH",
        "1,20Z,ETH",
    ]


def test_sort_limit_and_distinct(client: InfluxDBClient) -> None:
    write(client, CANDLES)
    assert rows(client, '|> group() |> sort(columns: ["_value"], desc: true) |> limit(n: 2)') == [
        "_time,_value,_field,symbol",
        "0,20Z,7,close,ETH",
        "0,20Z,6,open,ETH",
    ]
    assert rows(client, "|> group() |> sort() |> limit(n: 1, offset: 1)")[1:] == [
        "0,10Z,1.5,close,BTC"
    ]
    assert rows(client, '|> group() |> distinct(column: "symbol")') == ["_value", "0,BTC", "0,ETH"]


def test_filters_know_three_truth_values(client: InfluxDBClient) -> None:
    write(client, NOTED)

    def chosen(condition: str) -> list[str]:
        found = rows(client, f"{PIVOT} |> filter(fn: (r) => {condition})")
        return [",".join(row.split(",")[1:3]) for row in found if "Z" in row]

    assert chosen("r.close > 2.0 and r.open < 6.0") == ["20Z,BTC"]
    assert chosen('r["close"] > 2 and not r.symbol == "BTC"') == ["20Z,ETH"]
    assert chosen("exists r.note") == ["30Z,ETH"]
    assert chosen("not exists r.note") == ["10Z,BTC", "20Z,BTC", "20Z,ETH"]
    assert chosen("r.note != r.symbol") == ["30Z,ETH"]
    assert chosen("not r.close > 0") == []
    assert chosen('r.close > 6 or r.symbol == "BTC" and r.open == 1.0') == ["10Z,BTC", "20Z,ETH"]
    assert chosen(f"r._time >= {STOP} or r._time < 1970-01-01T00:00:10.5Z") == ["10Z,BTC"]


def test_variables_times_and_several_results(client: InfluxDBClient) -> None:
    write(client, CANDLES)
    query = f"""
        // all of it, seen twice
        all = from(bucket: "market") |> range(start: 0, stop: time(v: "{STOP}"))
        wanted = "open"
        all |> filter(fn: (row) => row._field == wanted) |> last() |> yield(name: "a")
        all |> count() |> yield(name: "b")
    """
    lines = answer(client, query).split("\r\n")
    assert [line for line in lines if "#default" in line] == [
        "#default,a,,,,,,,,,",
        "#default,b,,,,,,,,",
    ]
    assert client.query_api().query('from(bucket: "market") |> range(start: -1h)') == []


def test_tag_keys(client: InfluxDBClient) -> None:
    write(client, CANDLES + "other,surplus=1 f=1 10")
    query = f"""import "influxdata/influxdb/schema"
        schema.measurementTagKeys(bucket: "market", measurement: "ohlcv", start: {START})"""
    (table,) = client.query_api().query(query)
    names = [each.get_value() for each in table.records]
    assert names == ["_start", "_stop", "_field", "_measurement", "symbol", "timeframe"]
