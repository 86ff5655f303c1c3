/** Points of the quality plots, from an evaluation. */

import type { BucketScores, Evaluation, PartScores, StepScores } from "../data/evaluation";
import { contenders, type Contender } from "./roles";

export interface Points {
  role: string;
  /** Of the line: the role, and the method where several are trained. */
  name: string;
  points: { x: number; y: number | null }[];
}

/** Loss as a share of the naive loss; null without either. */
export function lossRatio(part: PartScores | null | undefined): number | null {
  if (!part || part.pinball === null || !part.naive_pinball) return null;
  return part.pinball / part.naive_pinball;
}

export function reliability(evaluation: Evaluation): Points[] {
  const levels = evaluation.levels ?? [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
  return ofRoles(evaluation, ({ scores }) => {
    const observed = scores?.observed ?? [];
    return observed.length === levels.length ? levels.map((x, at) => ({ x, y: observed[at] ?? null })) : [];
  });
}

type PartValue = (part: PartScores | null | undefined) => number | null;
export const coverage80: PartValue = (part) => part?.coverage_80 ?? null;

/** A value of each bucket of time, at the middle of the bucket. */
export function overTime(evaluation: Evaluation, value: PartValue): Points[] {
  return ofRoles(evaluation, ({ role }) =>
    (evaluation.over_time ?? []).map((bucket) => ({
      x: (Date.parse(bucket.start) + Date.parse(bucket.end)) / 2,
      y: value(partOf(bucket, role)),
    })),
  );
}

export function byStep(evaluation: Evaluation, value: PartValue): Points[] {
  return ofRoles(evaluation, ({ role }) => (evaluation.by_step ?? []).map((each) => ({ x: each.step, y: value(partOf(each, role)) })));
}

/** Instants within the buckets at which another version became champion. */
export function rollovers(evaluation: Evaluation): { x: number; name: string }[] {
  const times = (evaluation.over_time ?? []).flatMap((bucket) => [Date.parse(bucket.start), Date.parse(bucket.end)]);
  if (times.length === 0) return [];
  const [first, last] = [Math.min(...times), Math.max(...times)];
  return (evaluation.roles ?? [])
    .filter((change) => change.role === "champion" && change.version !== null)
    .map((change) => ({ x: Date.parse(change.since), name: `version ${change.version} becomes champion` }))
    .filter(({ x }) => x > first && x < last);
}

/** Lines of the roles that have at least one value. */
function ofRoles(evaluation: Evaluation, points: (of: Contender) => Points["points"]): Points[] {
  return contenders(evaluation)
    .map((each) => ({ role: each.role, name: each.name.toLowerCase(), points: points(each) }))
    .filter((each) => each.points.some(({ y }) => y !== null));
}

/** Scores of a role; files of earlier releases lack those of further methods. */
function partOf(of: BucketScores | StepScores, role: string): PartScores | null {
  const part = of[role];
  return typeof part === "object" ? part : null;
}
