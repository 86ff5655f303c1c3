/** The published files as docs/contract describes them. Times are texts, `YYYY-MM-DDTHH:MM:SSZ`. */

export interface FileRef {
  file: string;
  object?: string;
  sha256: string;
  bytes: number;
  as_of: string;
}

export interface Overview {
  price: number;
  previous_price: number | null;
  target_time: string;
  lower_bound: number;
  upper_bound: number;
  closes: number[];
}

export interface Quality {
  as_of: string;
  window: { start: string; end: string };
  origins: number;
  live: number;
  backtest: number;
  pinball: number;
  skill: number | null;
  mae: number;
  coverage_80: number;
  coverage_90: number;
  sharpness: number;
  drift: "stable" | "drifting" | "unknown";
  model_versions: string[];
}

export interface PublicEntry {
  symbol: string;
  timeframe: string;
  status: string;
  serve_allowed: boolean;
  warning: string | null;
  reason?: string | null;
  caution?: string | null;
  as_of: string | null;
  stale_at: string | null;
  hard_stale_at: string | null;
  history: FileRef | null;
  prediction: FileRef | null;
  evaluation?: FileRef | null;
  overview?: Overview | null;
  quality: Quality | null;
}

export interface Gaps {
  verified_absent: number;
  unavailable: number;
  refused: number;
  pending: number;
  failed: number;
}

export interface GapReason {
  state: string;
  start: string;
  candles: number;
  reason: string;
}

export interface OpsEntry {
  symbol: string;
  timeframe: string;
  soft_minutes: number;
  hard_minutes: number;
  degraded: boolean;
  last_success_at: string | null;
  last_failure_at: string | null;
  consecutive_failures: number;
  last_error: string | null;
  reason?: string | null;
  caution?: string | null;
  visibility: string;
  coverage_start: string | null;
  coverage_end: string | null;
  missing_candles: number;
  gaps: Gaps | null;
  gap_reasons: GapReason[];
  unavailable_before: string | null;
  champion: string | null;
}

export interface Outage {
  timeframe: string;
  start: string;
  end: string;
  candles: number;
  symbols: string[];
}

export interface Manifest {
  version: 2;
  generated_at: string;
  market?: string;
  archive?: FileRef | null;
  public: { symbols: string[]; entries: PublicEntry[] };
  ops: { entries: OpsEntry[]; outages: Outage[]; dagster_url?: string | null };
}

export interface Candle {
  timestamp: string;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export interface History {
  symbol: string;
  timeframe: string;
  as_of: string;
  updated_at: string;
  data: Candle[];
}

export const LEVELS = ["0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95"] as const;
export type Quantiles = Record<(typeof LEVELS)[number], number>;

export interface Step {
  timestamp: string;
  close_time?: string;
  price: number;
  quantiles: Quantiles;
}

export interface Prediction {
  symbol: string;
  timeframe: string;
  as_of: string;
  updated_at: string;
  model_version: string;
  forecast: Step[];
}
