/** The evaluation file. Every member but the identity may be absent: what is absent is not shown. */

import type { Quantiles } from "./types";

export interface Coverage {
  coverage_80: number | null;
  coverage_90: number | null;
}

export interface RoleScores extends Coverage {
  origins: number;
  live: number;
  backtest: number;
  versions: Record<string, number>;
  pinball: number;
  naive_pinball?: number;
  skill: number | null;
  mae: number;
  sharpness: number;
  coverage_by_steps?: Record<string, Coverage>;
  coverage_by_volatility?: Record<string, Coverage>;
  observed?: number[];
}

/** Scores of one step, or of the origins of one bucket of time. */
export interface PartScores extends Coverage {
  pinball: number | null;
  naive_pinball: number | null;
}

/** Members by role: `champion`, `challenger`, and those of further methods where they have forecasts. */
type ByRole = Record<string, PartScores | string | number | null | undefined>;

export interface StepScores extends ByRole {
  step: number;
}

export interface BucketScores extends ByRole {
  start: string;
  end: string;
  origins: number;
}

/** A matured forecast with its outcomes. */
export interface PastForecast {
  as_of: string;
  model_version: string;
  live: boolean;
  last: number | null;
  forecast: { timestamp?: string; close_time: string; actual: number | null; quantiles: Quantiles }[];
}

export interface RoleChange {
  role: string;
  version: string | null;
  since: string;
  by: string;
  reason: string;
}

/** Mean losses at the origins that champion and challenger share. */
export interface Paired {
  origins: number;
  champion: number;
  challenger: number;
}

/** The gate's verdict on a challenger. */
export interface Promotion {
  challenger: string;
  champion?: string | null;
  decision: string;
  criteria?: { name: string; passed: boolean; finding: string }[];
}

/** The challenger of a further method. */
export interface Challenger {
  method: string;
  role: string;
  scores?: RoleScores | null;
  paired?: Paired | null;
  promotion?: Promotion | null;
}

export interface Evaluation {
  symbol: string;
  timeframe: string;
  as_of: string;
  window?: { start: string; end: string };
  champion: RoleScores | null;
  challenger: RoleScores | null;
  naive?: { pinball: number; coverage_80: number; coverage_90: number; mae: number; sharpness: number } | null;
  drift?: { state: string; since?: string | null; reasons?: string[] };
  paired?: Paired | null;
  promotion?: Promotion | null;
  champion_method?: string | null;
  challengers?: Challenger[];
  levels?: number[];
  by_step?: StepScores[];
  over_time?: BucketScores[];
  recent?: PastForecast[];
  roles?: RoleChange[];
}
