/** Points of the quality plots, from an evaluation. */

import type { Evaluation, PartScores } from "../data/evaluation";

export type Role = "champion" | "challenger";
export const ROLES: readonly Role[] = ["champion", "challenger"];

export interface Points {
  role: Role;
  points: { x: number; y: number | null }[];
}

/** Loss as a share of the naive loss; null without either. */
export function lossRatio(part: PartScores | null | undefined): number | null {
  if (!part || part.pinball === null || !part.naive_pinball) return null;
  return part.pinball / part.naive_pinball;
}

export function reliability(evaluation: Evaluation): Points[] {
  const levels = evaluation.levels ?? [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
  return ofRoles((role) => {
    const observed = evaluation[role]?.observed ?? [];
    return observed.length === levels.length ? levels.map((x, at) => ({ x, y: observed[at] ?? null })) : [];
  });
}

type PartValue = (part: PartScores | null | undefined) => number | null;
export const coverage80: PartValue = (part) => part?.coverage_80 ?? null;

/** A value of each bucket of time, at the middle of the bucket. */
export function overTime(evaluation: Evaluation, value: PartValue): Points[] {
  return ofRoles((role) =>
    (evaluation.over_time ?? []).map((bucket) => ({
      x: (Date.parse(bucket.start) + Date.parse(bucket.end)) / 2,
      y: value(bucket[role]),
    })),
  );
}

export function byStep(evaluation: Evaluation, value: PartValue): Points[] {
  return ofRoles((role) => (evaluation.by_step ?? []).map((each) => ({ x: each.step, y: value(each[role]) })));
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
function ofRoles(points: (role: Role) => Points["points"]): Points[] {
  return ROLES.map((role) => ({ role, points: points(role) })).filter((each) => each.points.some(({ y }) => y !== null));
}
