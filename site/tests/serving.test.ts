import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestAge } from "../src/rules/manifest_age";
import { isTooOld, servingOf } from "../src/rules/serving";
import { entryOf, manifestOf } from "./entries";

const at = (time: string) => Date.parse(`2026-11-29T${time}Z`);

test("the reader's clock ages a fresh entry, to the second", () => {
  const entry = entryOf();
  assert.deepEqual(servingOf(entry, at("13:05:00")), { status: "fresh", served: true, why: null });
  assert.equal(servingOf(entry, at("13:05:01")).status, "stale");
  assert.equal(servingOf(entry, at("14:10:00")).served, true);
  const old = servingOf(entry, at("14:10:01"));
  assert.deepEqual([old.status, old.served], ["hard_stale", false]);
  assert.match(old.why ?? "", /2026-11-29 14:10 UTC/);
});

test("a clock that is behind does not make anything fresher than the manifest says", () => {
  const entry = entryOf({ status: "stale", warning: "the data is late" });
  assert.deepEqual(servingOf(entry, at("12:00:00")), { status: "stale", served: true, why: "the data is late" });
  const refused = entryOf({ status: "hard_stale", serve_allowed: false, warning: "too old" });
  assert.equal(servingOf(refused, at("12:00:00")).served, false);
});

test("what may not be served is refused with its reason", () => {
  for (const status of ["missing", "corrupt", "insufficient_data", "hard_stale"]) {
    const entry = entryOf({ status, serve_allowed: false, warning: "the warning", reason: status === "missing" ? "the reason" : null });
    assert.deepEqual(servingOf(entry, at("12:00:00")), { status, served: false, why: status === "missing" ? "the reason" : "the warning" });
  }
});

test("unknown words and entries without limits are refused", () => {
  assert.equal(servingOf(entryOf({ status: "golden" }), at("12:00:00")).served, false);
  assert.equal(servingOf(entryOf({ serve_allowed: false }), at("12:00:00")).served, false);
  assert.equal(servingOf(entryOf({ hard_stale_at: null }), at("12:00:00")).served, false);
  assert.equal(servingOf(entryOf({ stale_at: "soon" }), at("12:00:00")).served, false);
});

test("a document that outlives its successor's failure ages by its own data time", () => {
  const entry = entryOf(); // refused 130 minutes after its data ends
  assert.equal(isTooOld("2026-11-29T11:00:00Z", entry, at("13:10:00")), false);
  assert.equal(isTooOld("2026-11-29T11:00:00Z", entry, at("13:10:01")), true);
  assert.equal(isTooOld("2026-11-29T11:00:00Z", entryOf({ hard_stale_at: null }), at("11:00:00")), true);
});

test("a manifest is old when its fastest series would be stale", () => {
  const manifest = manifestOf([entryOf()]);
  assert.equal(manifestAge(manifest, at("13:06:00")).isOld, false);
  assert.equal(manifestAge(manifest, at("13:06:01")).isOld, true);
  assert.equal(manifestAge(manifestOf([]), at("23:00:00")).isOld, false);
});

test("a clock far behind the manifest is noticed", () => {
  const manifest = manifestOf([entryOf()]);
  assert.equal(manifestAge(manifest, at("12:00:00")).clockBehindMs, 0);
  assert.equal(manifestAge(manifest, at("11:58:00")).clockBehindMs, 180_000);
});
