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

export interface StepScores {
  step: number;
  champion: PartScores | null;
  challenger?: PartScores | null;
}

export interface BucketScores {
  start: string;
  end: string;
  origins: number;
  champion: PartScores | null;
  challenger?: PartScores | null;
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

export interface Evaluation {
  symbol: string;
  timeframe: string;
  as_of: string;
  window?: { start: string; end: string };
  champion: RoleScores | null;
  challenger: RoleScores | null;
  naive?: { pinball: number; coverage_80: number; coverage_90: number; mae: number; sharpness: number } | null;
  drift?: { state: string; since?: string | null; reasons?: string[] };
  promotion?: {
    challenger: string;
    champion?: string | null;
    decision: string;
    criteria?: { name: string; passed: boolean; finding: string }[];
  } | null;
  levels?: number[];
  by_step?: StepScores[];
  over_time?: BucketScores[];
  recent?: PastForecast[];
  roles?: RoleChange[];
}
