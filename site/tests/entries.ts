/** Entries for tests, as the manifest schema describes them. */

import type { Manifest, PublicEntry } from "../src/data/types";

export const SHA = "0".repeat(64);

export function entryOf(change: Partial<PublicEntry> = {}): PublicEntry {
  const reference = { file: "history_BTC_USDT_1h.json", sha256: SHA, bytes: 9, as_of: "2026-11-29T12:00:00Z" };
  return {
    symbol: "BTC/USDT",
    timeframe: "1h",
    status: "fresh",
    serve_allowed: true,
    warning: null,
    reason: null,
    as_of: "2026-11-29T12:00:00Z",
    stale_at: "2026-11-29T13:05:00Z",
    hard_stale_at: "2026-11-29T14:10:00Z",
    history: reference,
    prediction: { ...reference, file: "prediction_BTC_USDT_1h.json" },
    quality: null,
    ...change,
  };
}

export function manifestOf(entries: PublicEntry[], softMinutes = 65): Manifest {
  return {
    version: 2,
    generated_at: "2026-11-29T12:01:00Z",
    public: { symbols: [...new Set(entries.map((each) => each.symbol))], entries },
    ops: {
      entries: entries.map(({ symbol, timeframe }) => ({
        symbol, timeframe, soft_minutes: softMinutes, hard_minutes: 2 * softMinutes, degraded: false, last_success_at: null,
        last_failure_at: null, consecutive_failures: 0, last_error: null, visibility: "public", coverage_start: null,
        coverage_end: null, missing_candles: 0, gaps: null, gap_reasons: [], unavailable_before: null, champion: null,
      })),
      outages: [],
    },
  };
}
