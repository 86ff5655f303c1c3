import assert from "node:assert/strict";
import { test } from "node:test";
import { domainOf, ticks } from "../src/charts/axis";
import { fanOf, isLogarithmic, pastFan, slotsOf } from "../src/charts/candle_data";
import { pathOf } from "../src/charts/line_chart";
import { LEVELS, type Candle, type Quantiles } from "../src/data/types";
import { csv } from "../src/rules/csv";
import { ago, duration, price, priceDigits, signedPercent, utc } from "../src/rules/format";
import { lossRatio, overTime, rollovers } from "../src/rules/plots";
import { hrefOf, parseRoute } from "../src/rules/routes";
import { filtered, rowsOf, sorted } from "../src/rules/rows";
import { gapsOf, nextOpen } from "../src/rules/timeframes";
import { entryOf, manifestOf } from "./entries";

const time = (text: string) => Date.parse(`${text}Z`);
const candleAt = (timestamp: string): Candle => ({ timestamp, open: 1, high: 3, low: 1, close: 2, volume: 1 });
const quantiles = Object.fromEntries(LEVELS.map((level) => [level, Number(level)])) as Quantiles;

test("numbers and times as texts", () => {
  assert.equal(price(91234.5), "91,234.50");
  assert.equal(price(0.08123456), "0.0812346");
  assert.equal(price(1.5, 91234), "1.50");
  assert.equal(priceDigits(0), 2);
  assert.equal(signedPercent(-0.0123), "−1.23%");
  assert.equal(signedPercent(0.05, 1), "+5.0%");
  assert.equal(signedPercent(null), "–");
  assert.deepEqual([59_000, 60_000, 7_800_000, 93_600_000, 86_400_000].map(duration), ["59 s", "1 min", "2 h 10 min", "1 d 2 h", "1 d"]);
  assert.equal(ago("2026-11-29T12:00:00Z", time("2026-11-29T11:00:00")), "in 1 h");
  assert.equal(utc("2026-11-29T12:00:00Z"), "2026-11-29 12:00");
});

test("addresses", () => {
  const series = { symbol: "BTC/USDT:USDT", timeframe: "1M" };
  assert.equal(hrefOf("series", series, { origin: "2026-11-29T12:00:00Z", q: "" }), "#/series/BTC_USDT_USDT/1M?origin=2026-11-29T12%3A00%3A00Z");
  const route = parseRoute("#/series/BTC%2FUSDT/1h?origin=x");
  assert.deepEqual([route.view, route.symbol, route.timeframe, route.query.get("origin")], ["series", "BTC_USDT", "1h", "x"]);
  assert.equal(parseRoute("").view, "overview");
  assert.equal(parseRoute("#/nowhere/%E0%A4%A").view, "overview");
});

test("timeframes and gaps, months too", () => {
  assert.equal(nextOpen(time("2026-01-01T00:00:00"), "1M"), time("2026-02-01T00:00:00"));
  assert.equal(nextOpen(time("2026-01-01T00:00:00"), "3m"), time("2026-01-01T00:03:00"));
  const opens = [time("2026-01-01T00:00:00"), time("2026-04-01T00:00:00")];
  assert.deepEqual(gapsOf(opens, "1M"), [{ start: time("2026-02-01T00:00:00"), end: opens[1], candles: 2 }]);
  assert.deepEqual(gapsOf([1, 2, 3], "9y"), []);
});

test("a fan starts at the last close, and its slots follow the candles", () => {
  const candles = [candleAt("2026-11-29T09:00:00Z"), candleAt("2026-11-29T11:00:00Z")];
  const prediction = {
    symbol: "BTC/USDT", timeframe: "1h", as_of: "2026-11-29T12:00:00Z", updated_at: "", model_version: "1",
    forecast: [{ timestamp: "2026-11-29T12:00:00Z", price: 1, quantiles }],
  };
  const fan = fanOf(prediction, candles);
  assert.deepEqual(fan.start, { open: time("2026-11-29T11:00:00"), close: 2 });
  const { opens, gaps } = slotsOf(candles, fan, "1h");
  assert.deepEqual(opens.map((open) => utc(open).slice(11)), ["09:00", "10:00", "11:00", "12:00"]);
  assert.equal(gaps.length, 1);
  assert.equal(isLogarithmic(fan), true); // 0.95 against 0.05
  assert.equal(isLogarithmic(null), false);
  assert.equal(fanOf(prediction, candles.slice(0, 1)).start, null); // the candle before it is missing
  const past = { as_of: "2026-11-29T10:00:00Z", model_version: "1", live: true, last: 7, forecast: [{ close_time: "2026-11-29T11:00:00Z", actual: null, quantiles }] };
  assert.deepEqual(pastFan(past, "1h", candles).start, { open: time("2026-11-29T09:00:00"), close: 7 });
});

test("rows: filter, sort, and no value for what is not shown", () => {
  const overview = { price: 2, previous_price: 1, target_time: "", lower_bound: 1, upper_bound: 3, closes: [] };
  const entries = [
    entryOf({ timeframe: "4h", overview: { ...overview, price: 5 } }),
    entryOf({ overview }),
    entryOf({ symbol: "ETH/USDT", status: "missing", serve_allowed: false, overview: { ...overview, price: 1 } }),
  ];
  const rows = rowsOf(manifestOf(entries), time("2026-11-29T12:30:00"));
  const keys = (found: typeof rows) => found.map((row) => row.key);
  assert.deepEqual(keys(sorted(rows, { column: "price", descending: false })), ["BTC/USDT 1h", "BTC/USDT 4h", "ETH/USDT 1h"]);
  assert.deepEqual(keys(sorted(rows, { column: "price", descending: true })), ["BTC/USDT 4h", "BTC/USDT 1h", "ETH/USDT 1h"]);
  assert.deepEqual(keys(sorted(rows, { column: "status", descending: false }))[0], "ETH/USDT 1h");
  assert.deepEqual(keys(sorted(rows, null)), keys(rows));
  assert.deepEqual(keys(filtered(rows, { text: "btcusdt 1h", timeframe: "", status: "" })), ["BTC/USDT 1h"]);
  assert.deepEqual(keys(filtered(rows, { text: "", timeframe: "", status: "refused" })), ["ETH/USDT 1h"]);
});

test("points of the quality plots", () => {
  const part = { pinball: 1, naive_pinball: 2, coverage_80: 0.8, coverage_90: 0.9 };
  const bucket = { start: "2026-11-01T00:00:00Z", end: "2026-11-03T00:00:00Z", origins: 3, champion: part, challenger: null };
  const change = (since: string, version: string | null) => ({ role: "champion", version, since, by: "gate", reason: "" });
  const evaluation = {
    symbol: "", timeframe: "", as_of: "", champion: null, challenger: null, over_time: [bucket],
    roles: [change("2026-10-01T00:00:00Z", "1"), change("2026-11-02T00:00:00Z", "2"), change("2026-11-02T00:00:00Z", null)],
  };
  assert.deepEqual(overTime(evaluation, lossRatio), [{ role: "champion", name: "champion", points: [{ x: time("2026-11-02T00:00:00"), y: 0.5 }] }]);
  assert.equal(lossRatio({ ...part, naive_pinball: 0 }), null);
  assert.deepEqual(rollovers(evaluation).map(({ name }) => name), ["version 2 becomes champion"]);
});

test("axes and paths", () => {
  assert.deepEqual(ticks([0, 1], 4), [0, 0.5, 1]);
  assert.deepEqual(ticks([3, 3], 4), [3]);
  assert.equal(domainOf([null]), null);
  const line = { name: "", tone: "champion" as const, points: [{ x: 0, y: 1 }, { x: 1, y: null }, { x: 2, y: 3 }, { x: 3, y: 4 }] };
  assert.equal(pathOf(line, (x) => x, (y) => y), "M0.0 1.0M2.0 3.0L3.0 4.0");
});

test("CSV quotes what it must", () => {
  assert.equal(csv([["a,b", 'say "x"', 1, null]]), '"a,b","say ""x""",1,\r\n');
});
