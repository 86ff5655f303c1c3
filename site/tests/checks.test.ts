import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedEvaluation, checkedHistory, checkedManifest, checkedPrediction } from "../src/data/checks";
import { Problem } from "../src/data/problems";
import { entryOf, manifestOf, SHA } from "./entries";

const refuses = (kind: string, text: RegExp, run: () => unknown) =>
  assert.throws(run, (error: unknown) => error instanceof Problem && error.kind === kind && text.test(error.message));

const listing = (reference: object) =>
  checkedManifest(manifestOf([entryOf({ history: { ...entryOf().history!, ...reference } })]));

test("a manifest of another version is refused before anything in it is read", () => {
  refuses("unknown_version", /version 3/, () => checkedManifest({ version: 3 }));
  refuses("unknown_version", /version null/, () => checkedManifest({}));
});

test("manifests of earlier releases and with unknown fields pass", () => {
  const manifest = { ...manifestOf([entryOf()]), novelty: 1 };
  assert.equal(checkedManifest(manifest), manifest);
});

test("damaged manifests are refused", () => {
  refuses("damaged", /no JSON object/, () => checkedManifest([]));
  refuses("damaged", /public.entries is no list/i, () => checkedManifest({ ...manifestOf([]), public: {} }));
  refuses("damaged", /generated_at is no time/i, () => checkedManifest({ ...manifestOf([]), generated_at: "now" }));
  refuses("damaged", /has no sha256/i, () => listing({ sha256: "" }));
});

test("a manifest cannot send the page to another place", () => {
  for (const file of ["https://example.org/a.json", "//example.org/a.json", "/etc/a.json", "../a.json", "a/../../b.json"]) {
    refuses("damaged", /is no file name/, () => listing({ file }));
  }
  for (const object of ["https://example.org/a.json", `../objects/${SHA}.json`, `objects/${SHA}`]) {
    refuses("damaged", /no usable object/, () => listing({ object }));
  }
  listing({ file: "evaluations/BTC_USDT_1h.json", object: `objects/${SHA}.json` });
});

const candle = { timestamp: "2026-11-29T11:00:00Z", open: 1, high: 1, low: 1, close: 1, volume: 0 };
const history = { symbol: "BTC/USDT", timeframe: "1h", as_of: "2026-11-29T12:00:00Z", data: [candle] };

test("a file of another series, or with other content, is refused", () => {
  assert.equal(checkedHistory(history, entryOf()), history);
  refuses("damaged", /another series/, () => checkedHistory(history, entryOf({ timeframe: "4h" })));
  refuses("damaged", /no candles/, () => checkedHistory({ ...history, data: [] }, entryOf()));
  refuses("damaged", /close is no number/i, () => checkedHistory({ ...history, data: [{ ...candle, close: null }] }, entryOf()));
  const quantiles = { "0.05": 1, "0.1": 1, "0.25": 1, "0.5": 1, "0.75": 1, "0.9": 1 };
  const forecast = [{ timestamp: candle.timestamp, price: 1, quantiles }];
  refuses("damaged", /quantile 0.95 is no number/i, () => checkedPrediction({ ...history, forecast }, entryOf()));
});

test("members of an evaluation that are absent or of another form are left out", () => {
  const found = checkedEvaluation({ ...history, recent: "none", levels: [0.5] }, entryOf());
  assert.deepEqual([found.recent, found.levels, found.champion], [undefined, [0.5], null]);
  const naive = { method: "naive", role: "challenger_naive" };
  assert.deepEqual(checkedEvaluation({ ...history, challengers: [naive, { role: "x" }, null] }, entryOf()).challengers, [naive]);
  assert.equal(checkedEvaluation({ ...history, challengers: {} }, entryOf()).challengers, undefined);
  refuses("unknown_version", /version 2/, () => checkedEvaluation({ ...history, version: 2 }, entryOf()));
});
