/** What the candle chart draws: candles, gaps, and the places of a forecast, by open time in seconds. */

import type { UTCTimestamp } from "lightweight-charts";
import type { PastForecast } from "../data/evaluation";
import { LEVELS, type Candle, type Prediction, type Quantiles } from "../data/types";
import { gapsOf, nextOpen, type Gap } from "../rules/timeframes";

/** The forecast of one origin. Step i stands over the candle whose close it forecasts. */
export interface Fan {
  /** Data time of the forecast, milliseconds. */
  asOf: number;
  /** Open of the candle that the fan starts from, and its close; null where that is not known. */
  start: { open: number; close: number } | null;
  steps: { open: number; close: number; quantiles: Quantiles; actual: number | null }[];
}

export function fanOf(prediction: Prediction, candles: readonly Candle[]): Fan {
  const asOf = Date.parse(prediction.as_of);
  const last = candles.at(-1);
  const joins = last && nextOpen(Date.parse(last.timestamp), prediction.timeframe) === asOf;
  return {
    asOf,
    start: joins ? { open: Date.parse(last.timestamp), close: last.close } : null,
    steps: prediction.forecast.map((step) => {
      const open = Date.parse(step.timestamp);
      return { open, close: nextOpen(open, prediction.timeframe), quantiles: step.quantiles, actual: null };
    }),
  };
}

export function pastFan(past: PastForecast, timeframe: string, candles: readonly Candle[]): Fan {
  const asOf = Date.parse(past.as_of);
  let open = asOf;
  const steps = past.forecast.map((step) => {
    const own = { open, close: nextOpen(open, timeframe), quantiles: step.quantiles, actual: step.actual };
    open = own.close;
    return own;
  });
  const before = candles.find((candle) => nextOpen(Date.parse(candle.timestamp), timeframe) === asOf);
  const start = before ? { open: Date.parse(before.timestamp), close: past.last ?? before.close } : null;
  return { asOf, start, steps };
}

export const seconds = (ms: number) => (ms / 1000) as UTCTimestamp;

export interface Slots {
  gaps: Gap[];
  /** Open times of all slots: candles, gaps, steps of the forecast. Ascending, milliseconds. */
  opens: number[];
}

// A gap of more candles than this is closed up in the chart; its mark stays.
const WIDEST_GAP = 1000;

/** Slots of the time axis, so that gaps keep their width and the fan has its place. */
export function slotsOf(candles: readonly Candle[], fan: Fan | null, timeframe: string): Slots {
  const known = candles.map((candle) => Date.parse(candle.timestamp));
  const gaps = gapsOf(known, timeframe);
  const opens = new Set(known);
  for (const gap of gaps) {
    if (gap.candles > WIDEST_GAP) continue;
    for (let open = gap.start; open < gap.end; open = nextOpen(open, timeframe)) opens.add(open);
  }
  const last = known.at(-1) ?? Number.NEGATIVE_INFINITY;
  for (const step of fan?.steps ?? []) if (step.open > last) opens.add(step.open);
  return { gaps, opens: [...opens].sort((a, b) => a - b) };
}

export const BANDS = [
  { name: "90%", lower: "0.05", upper: "0.95", opacity: 0.14 },
  { name: "80%", lower: "0.1", upper: "0.9", opacity: 0.18 },
  { name: "50%", lower: "0.25", upper: "0.75", opacity: 0.26 },
] as const satisfies readonly { name: string; lower: (typeof LEVELS)[number]; upper: (typeof LEVELS)[number]; opacity: number }[];

// A linear axis of a wider range would go below zero.
const WIDEST_LINEAR = 1.6;

/** Whether prices and fan span so much that the axis has to be logarithmic. */
export function isLogarithmic(fan: Fan | null): boolean {
  const last = fan?.steps.at(-1)?.quantiles;
  return last !== undefined && last["0.95"] > WIDEST_LINEAR * last["0.05"];
}
