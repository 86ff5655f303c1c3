import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArchivedFile, ArchiveIndex } from "../src/data/archive";
import { checkedArchive, checkedManifest } from "../src/data/checks";
import { Problem } from "../src/data/problems";
import { archivedMonths, downloadName, kindName } from "../src/rules/archive";
import { manifestOf, SHA } from "./entries";

const fileOf = (change: Partial<ArchivedFile> = {}): ArchivedFile => {
  const of = { kind: "forecasts", symbol: "BTC/USDT", timeframe: "1h", month: "2026-11", ...change };
  const file = `archive/${of.kind}/symbol=BTC_USDT/timeframe=${of.timeframe}/month=${of.month}/${of.kind}.parquet`;
  return { ...of, file, sha256: SHA, bytes: 9, rows: 3, ...change };
};
const indexOf = (...files: ArchivedFile[]): ArchiveIndex => ({ version: 1, as_of: "2026-11-29T12:00:00Z", files });
const refuses = (kind: string, text: RegExp, run: () => unknown) =>
  assert.throws(run, (error: unknown) => error instanceof Problem && error.kind === kind && text.test(error.message));

test("a list of another version, or with other content, is refused", () => {
  const index = indexOf(fileOf());
  assert.equal(checkedArchive(index), index);
  refuses("unknown_version", /version 2/, () => checkedArchive({ ...index, version: 2 }));
  refuses("damaged", /files is no list/i, () => checkedArchive({ version: 1 }));
  refuses("damaged", /has no month/, () => checkedArchive(indexOf({ ...fileOf(), month: 11 as unknown as string })));
  refuses("damaged", /rows is no number/i, () => checkedArchive(indexOf({ ...fileOf(), rows: "3" as unknown as number })));
});

test("neither the list nor its reference can send the page to another place", () => {
  for (const file of ["https://example.org/a.parquet", "//example.org/a.parquet", "archive/../../a.parquet", "archive//a.parquet", "javascript:a.parquet", "archive/a.html"]) {
    refuses("damaged", /is no archived file/, () => checkedArchive(indexOf(fileOf({ file }))));
  }
  const archive = { file: "//example.org/index.json", sha256: SHA, bytes: 9, as_of: "2026-11-29T12:00:00Z" };
  refuses("damaged", /is no file name/, () => checkedManifest({ ...manifestOf([]), archive }));
  checkedManifest({ ...manifestOf([]), archive: { ...archive, file: "archive/index.json" } });
  checkedManifest({ ...manifestOf([]), archive: null });
});

test("the files of one series are a row a month, the newest first, and a column a kind", () => {
  const [old, candles, newest] = [fileOf({ month: "2026-10" }), fileOf({ kind: "candles" }), fileOf()];
  const others = [fileOf({ timeframe: "4h" }), fileOf({ symbol: "ETH/USDT" })];
  assert.deepEqual(archivedMonths(indexOf(old, candles, newest, ...others), newest), {
    kinds: ["forecasts", "candles"],
    months: [{ month: "2026-11", files: [newest, candles] }, { month: "2026-10", files: [old, null] }],
  });
  assert.deepEqual(archivedMonths(indexOf(...others), newest), { kinds: [], months: [] });
});

test("a kind that the page does not know is shown by its name, after the others", () => {
  const { kinds } = archivedMonths(indexOf(fileOf({ kind: "anomalies" }), fileOf({ kind: "paths" })), fileOf());
  assert.deepEqual(kinds.map(kindName), ["Sample paths", "anomalies"]);
});

test("a download says what it is", () => {
  assert.equal(downloadName(fileOf()), "forecasts_BTC_USDT_1h_2026-11.parquet");
});
