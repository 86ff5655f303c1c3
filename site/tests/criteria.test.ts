import assert from "node:assert/strict";
import { test } from "node:test";
import { criterionTitle } from "../src/rules/criteria";

test("a criterion has a title, and one of a later release its own name", () => {
  assert.equal(criterionTitle("live_agrees"), "Lower loss than the champion’s, live");
  for (const name of ["fair_weather", "constructor", ""]) assert.equal(criterionTitle(name), name);
});
