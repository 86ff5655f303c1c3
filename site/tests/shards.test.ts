import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedManifest } from "../src/data/checks";
import { Problem } from "../src/data/problems";
import { archiveOf, readShards, shardFolders, unreadOf } from "../src/data/shards";
import type { Manifest } from "../src/data/types";
import { entryOf, manifestOf, SHA } from "./entries";

const rootOf = (...names: unknown[]) => ({ version: 3, shards: names.map((manifest, shard) => ({ shard, manifest })) });
const FOLDERS = ["shard=0", "shard=1"];

test("a root manifest lists folders of shards, and nothing else", () => {
  assert.deepEqual(shardFolders(rootOf("shard=0/manifest.json", "shard=12/manifest.json")), ["shard=0", "shard=12"]);
  for (const value of [manifestOf([]), { version: 3 }, null, [], "x"]) assert.equal(shardFolders(value), null);
  for (const name of ["../manifest.json", "shard=0/other.json", "https://x.org/manifest.json", "shard=0/../manifest.json", 7]) {
    assert.throws(() => shardFolders(rootOf("shard=0/manifest.json", name)), Problem);
  }
  assert.throws(() => shardFolders(rootOf()), Problem);
});

const reading = (manifests: Record<string, Manifest>) => (name: string) => {
  const found = manifests[name.split("/")[0]!];
  return found ? Promise.resolve(checkedManifest(found)) : Promise.reject(new Problem("absent", `${name} is not there.`));
};

test("entries of all shards are there, with names below their folders", async () => {
  const object = `objects/${SHA}.json`;
  const history = { ...entryOf().history!, object };
  const manifest = await readShards(FOLDERS, reading({
    "shard=0": { ...manifestOf([entryOf({ history })]), generated_at: "2026-11-29T12:03:00Z" },
    "shard=1": manifestOf([entryOf({ symbol: "ETH/USDT" })]),
  }));
  assert.deepEqual(new Set(manifest.public.symbols), new Set(["BTC/USDT", "ETH/USDT"]));
  assert.equal(manifest.generated_at, "2026-11-29T12:01:00Z");
  assert.equal(manifest.ops.entries.length, 2);
  assert.deepEqual(unreadOf(manifest), []);
  const bitcoin = manifest.public.entries.find((each) => each.symbol === "BTC/USDT")!;
  assert.equal(bitcoin.history!.object, `shard=0/${object}`);
  assert.equal(bitcoin.prediction!.file, "shard=0/prediction_BTC_USDT_1h.json");
  assert.equal(bitcoin.prediction!.object, undefined);
});

test("a shard that cannot be read hides its own series alone, and is named", async () => {
  const manifest = await readShards(FOLDERS, reading({ "shard=0": manifestOf([entryOf()]) }));
  assert.deepEqual(manifest.public.symbols, ["BTC/USDT"]);
  assert.deepEqual(unreadOf(manifest), ["shard=1/manifest.json is not there."]);
  await assert.rejects(readShards(FOLDERS, reading({})), /shard=0\/manifest.json is not there/);
});

test("of a series in two shards the newer manifest counts; an outage of both is one", async () => {
  const outage = { timeframe: "1h", start: "2026-11-01T00:00:00Z", end: "2026-11-01T01:00:00Z", candles: 1 };
  const of = (status: string, generated_at: string, symbols: string[]): Manifest => {
    const made = manifestOf([entryOf({ status })]);
    return { ...made, generated_at, ops: { ...made.ops, outages: [{ ...outage, symbols }] } };
  };
  const manifest = await readShards(FOLDERS, reading({
    "shard=0": of("fresh", "2026-11-29T12:05:00Z", ["A/X"]),
    "shard=1": of("stale", "2026-11-29T12:01:00Z", ["B/X"]),
  }));
  assert.deepEqual(manifest.public.entries.map((each) => each.status), ["fresh"]);
  assert.deepEqual(manifest.ops.outages, [{ ...outage, symbols: ["B/X", "A/X"] }]);
});

test("the archive of a series is that of its shard, whatever a document says", async () => {
  const archive = { file: "archive/index.json", sha256: SHA, bytes: 9, as_of: "2026-11-29T12:00:00Z" };
  const forged = { ...entryOf(), shard: { folder: "https://x.org/", archive: null } };
  const whole = checkedManifest({ ...manifestOf([forged]), archive });
  assert.deepEqual(archiveOf(whole, whole.public.entries[0]!), { archive, folder: "" });
  const manifest = await readShards(FOLDERS, reading({
    "shard=0": { ...manifestOf([entryOf()]), archive },
    "shard=1": manifestOf([entryOf({ symbol: "ETH/USDT" })]),
  }));
  const [bitcoin, ether] = ["BTC/USDT", "ETH/USDT"].map((symbol) => manifest.public.entries.find((each) => each.symbol === symbol)!);
  assert.deepEqual(archiveOf(manifest, bitcoin!), { archive: { ...archive, file: "shard=0/archive/index.json" }, folder: "shard=0/" });
  assert.deepEqual(archiveOf(manifest, ether!), { archive: null, folder: "shard=1/" });
});
