/** The archived files of one series as a table: a row a month, a column a kind. */

import type { ArchivedFile, ArchiveIndex } from "../data/archive";
import { safeName } from "./names";

/** Kinds in the order of their columns. Others come after them, by name. */
const KINDS: Record<string, string> = { forecasts: "Forecasts", candles: "Candles", paths: "Sample paths" };

export interface ArchivedMonths {
  kinds: string[];
  /** Newest first. */
  months: { month: string; files: (ArchivedFile | null)[] }[];
}

export function archivedMonths(index: ArchiveIndex, of: { symbol: string; timeframe: string }): ArchivedMonths {
  const files = index.files.filter((each) => each.symbol === of.symbol && each.timeframe === of.timeframe);
  const found = new Set(files.map((each) => each.kind));
  const known = Object.keys(KINDS);
  const kinds = [...known.filter((each) => found.has(each)), ...[...found].filter((each) => !known.includes(each)).sort()];
  const months = [...new Set(files.map((each) => each.month))].sort().reverse();
  const at = new Map(files.map((each) => [`${each.month} ${each.kind}`, each]));
  return { kinds, months: months.map((month) => ({ month, files: kinds.map((kind) => at.get(`${month} ${kind}`) ?? null) })) };
}

export function kindName(kind: string): string {
  return KINDS[kind] ?? kind;
}

/** `forecasts_BTC_USDT_1h_2026-11.parquet`: on the server the folders tell files of one kind apart. */
export function downloadName({ kind, symbol, timeframe, month }: ArchivedFile): string {
  return `${kind}_${safeName(symbol)}_${timeframe}_${month}.parquet`;
}
