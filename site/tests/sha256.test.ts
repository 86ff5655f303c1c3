import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { digest, sha256 } from "../src/data/sha256";

test("both ways agree with node for every length around the block borders", async () => {
  for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 131 + length) % 256);
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(Buffer.from(digest(bytes)).toString("hex"), expected, `${length} bytes`);
    assert.equal(await sha256(bytes), expected);
  }
});
