import assert from "node:assert/strict";
import { test } from "node:test";
import type { Challenger, Evaluation, RoleScores } from "../src/data/evaluation";
import { byStep, coverage80, lossRatio, overTime, reliability } from "../src/rules/plots";
import { contenders, hasMethods, scored, stateInGate } from "../src/rules/roles";

const scores = (pinball: number): RoleScores => ({
  origins: 10, live: 1, backtest: 9, versions: { 1: 10 }, pinball, naive_pinball: 2, skill: 1 - pinball / 2, mae: 1, sharpness: 1,
  coverage_80: 0.8, coverage_90: 0.9, observed: [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95],
});
const paired = (challenger: number) => ({ origins: 9, champion: 1, challenger });
const promotion = (challenger: string) => ({
  challenger, decision: "keep", criteria: [true, false, true].map((passed, at) => ({ name: `c${at}`, passed, finding: "f" })),
});
const one: Evaluation = {
  symbol: "", timeframe: "", as_of: "", champion: scores(1.9), challenger: scores(1.8), paired: paired(0.97), promotion: promotion("2"),
  roles: ["1", "7"].map((version) => ({ role: "champion", version, since: "", by: "", reason: "" })),
};
const part = (pinball: number) => ({ pinball, naive_pinball: 2, coverage_80: 0.8, coverage_90: 0.9 });

function of(method: string, more: Partial<Challenger>): Challenger {
  return { method, role: `challenger_${method}`, ...more };
}

test("with one method there are champion and challenger, without the method's name", () => {
  assert.equal(hasMethods(one), false);
  assert.deepEqual(contenders(one).map(({ name }) => name), ["Champion", "Challenger"]);
  assert.deepEqual(contenders({ ...one, challenger: null, promotion: null }).map(({ role }) => role), ["champion"]);
  assert.deepEqual(scored({ ...one, champion: null, challenger: null }), []);
});

test("the champion comes first, then the challengers by their loss beside it", () => {
  const evaluation = {
    ...one,
    champion_method: "har",
    challengers: [
      of("new", { promotion: promotion("9") }), // no forecast has matured
      of("naive", { scores: scores(2), paired: paired(1.2), promotion: promotion("4") }),
      of("har_exogenous", { scores: scores(1.7), paired: paired(0.9), promotion: null }),
      of("other", { scores: scores(1.6), paired: null }), // it shares no origin with the champion
    ],
  };
  const found = contenders(evaluation);
  assert.deepEqual(found.map(({ name }) => name), [
    "Champion", "Challenger har_exogenous", "Challenger har", "Challenger naive", "Challenger other", "Challenger new",
  ]);
  assert.deepEqual(found.map(({ toChampion }) => toChampion), [null, 0.9, 0.97, 1.2, null, null]);
  assert.deepEqual(found.map(({ toNaive }) => toNaive), [0.95, 0.85, 0.9, 1, 0.8, null]);
  assert.deepEqual(found.map(({ version }) => version), ["7", null, "2", "4", null, "9"]);
  assert.equal(found[0]!.method, "har");
  assert.deepEqual(found.slice(1, 3).map(stateInGate), ["not tested", "keep, 2 of 3 criteria met"]);
  assert.equal(scored(evaluation).length, 5);
});

test("a loss of nothing is no divisor", () => {
  const still = { ...one, champion: { ...scores(0), naive_pinball: 0 }, paired: { origins: 1, champion: 0, challenger: 0 } };
  assert.deepEqual(contenders(still).map(({ toChampion, toNaive }) => [toChampion, toNaive]), [[null, null], [null, 0.9]]);
});

test("plots have a line for each role that has values, the best challenger before the others", () => {
  const evaluation: Evaluation = {
    ...one,
    challengers: [of("naive", { scores: scores(1.7), paired: paired(0.9) }), of("har_exogenous", {})],
    by_step: [{ step: 1, champion: part(1.9), challenger: part(1.8), challenger_naive: part(1.7) }],
    over_time: [{ start: "2026-11-01T00:00:00Z", end: "2026-11-03T00:00:00Z", origins: 3, champion: part(1.9), challenger: null, challenger_naive: part(1) }],
  };
  assert.deepEqual(byStep(evaluation, lossRatio).map(({ name, points }) => [name, points[0]!.y]), [
    ["champion", 0.95], ["challenger naive", 0.85], ["challenger har", 0.9],
  ]);
  assert.deepEqual(overTime(evaluation, coverage80).map(({ role }) => role), ["champion", "challenger_naive"]);
  assert.deepEqual(reliability(evaluation).map(({ role }) => role), ["champion", "challenger_naive", "challenger"]);
  const earlier: Evaluation = { ...evaluation, by_step: [{ step: 1, champion: part(1.9), challenger: part(1.8) }] };
  assert.deepEqual(byStep(earlier, lossRatio).map(({ role }) => role), ["champion", "challenger"]);
});
