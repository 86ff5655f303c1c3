/** Tables as CSV (RFC 4180) with the numbers of the published files, unrounded. */

import { LEVELS, type History, type Prediction } from "../data/types";

type Cell = string | number | null;

export function csv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value: Cell): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function historyCsv(history: History): string {
  const names = ["timestamp", "open", "high", "low", "close", "volume"] as const;
  return csv([names, ...history.data.map((candle) => names.map((name) => candle[name]))]);
}

export function predictionCsv(prediction: Prediction): string {
  const head = ["timestamp", "close_time", ...LEVELS.map((level) => `q${level}`)];
  const rows = prediction.forecast.map((step) => [
    step.timestamp,
    step.close_time ?? null,
    ...LEVELS.map((level) => step.quantiles[level]),
  ]);
  return csv([head, ...rows]);
}
