/** Who is scored in an evaluation: the champion, and the challenger of each method. */

import type { Challenger, Evaluation, RoleScores } from "../data/evaluation";

export interface Contender {
  /** As in the archive, in `by_step` and in `over_time`. */
  role: string;
  /** `Champion`, `Challenger`; with the method where several methods are trained. */
  name: string;
  method: string | null;
  /** The version that holds the role now. */
  version: string | null;
  scores: RoleScores | null;
  /** Loss as a share of the champion's, at the origins that both forecast. */
  toChampion: number | null;
  /** Loss as a share of the naive forecast's, at all origins of the role. */
  toNaive: number | null;
  promotion: Evaluation["promotion"];
}

const CHAMPION = "champion";
/** The method of `challenger`; the others say theirs. */
const METHOD = "har";

/** Whether challengers of further methods are scored, so that roles need the names of methods. */
export function hasMethods(evaluation: Evaluation): boolean {
  return (evaluation.challengers ?? []).length > 0;
}

/** The champion, and then the challengers, the one with the lowest loss first. */
export function contenders(evaluation: Evaluation): Contender[] {
  const named = hasMethods(evaluation);
  const { challenger: scores, paired = null, promotion = null } = evaluation;
  const own: Challenger[] = scores || promotion ? [{ method: METHOD, role: "challenger", scores, paired, promotion }] : [];
  const challengers = [...own, ...(evaluation.challengers ?? [])].map((each) => ({
    role: each.role,
    name: named ? `Challenger ${each.method}` : "Challenger",
    method: each.method,
    version: each.promotion?.challenger ?? null,
    scores: each.scores ?? null,
    toChampion: each.paired ? ratio(each.paired.challenger, each.paired.champion) : null,
    toNaive: toNaive(each.scores),
    promotion: each.promotion ?? null,
  }));
  const champion = {
    role: CHAMPION, name: "Champion", method: evaluation.champion_method ?? null, version: newestChampion(evaluation), scores: evaluation.champion,
    toChampion: null, toNaive: toNaive(evaluation.champion), promotion: null,
  };
  return [champion, ...challengers.sort(byLoss)];
}

/** Those with at least one matured forecast. */
export function scored(evaluation: Evaluation): (Contender & { scores: RoleScores })[] {
  return contenders(evaluation).filter((each): each is Contender & { scores: RoleScores } => each.scores !== null);
}

/** `keep, 6 of 9 criteria met`; a challenger that is not tested has lost its role, or no champion is on record. */
export function stateInGate({ promotion }: Contender): string {
  if (!promotion) return "not tested";
  const criteria = promotion.criteria ?? [];
  const met = criteria.filter((each) => each.passed).length;
  return criteria.length > 0 ? `${promotion.decision}, ${met} of ${criteria.length} criteria met` : promotion.decision;
}

function byLoss(a: Contender, b: Contender): number {
  return order(a.toChampion, b.toChampion) || order(a.toNaive, b.toNaive);
}

/** Those without a loss come last, in the order of the evaluation. */
function order(a: number | null, b: number | null): number {
  return a === null || b === null ? Number(a === null) - Number(b === null) : a - b;
}

function toNaive(scores: RoleScores | null | undefined): number | null {
  return scores ? ratio(scores.pinball, scores.naive_pinball ?? 0) : null;
}

function ratio(loss: number, other: number): number | null {
  return other > 0 ? loss / other : null;
}

function newestChampion({ roles = [] }: Evaluation): string | null {
  return roles.filter((each) => each.role === CHAMPION).at(-1)?.version ?? null;
}
