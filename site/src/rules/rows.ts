/** Rows of the overview: joined, filtered, sorted. */

import type { Manifest, OpsEntry, PublicEntry } from "../data/types";
import { seriesKey } from "./names";
import { servingOf, type Serving, type Status } from "./serving";
import { lengthOf } from "./timeframes";

export interface Row {
  key: string;
  /** Place in the manifest, the operator's order. */
  place: number;
  entry: PublicEntry;
  ops: OpsEntry | null;
  serving: Serving;
}

export type SortColumn = "series" | "status" | "age" | "price" | "change" | "range" | "skill" | "coverage";
export interface Sort {
  column: SortColumn;
  descending: boolean;
}

export interface Filter {
  text: string;
  timeframe: string;
  /** A status word, `refused` for all that are not served, or empty for all. */
  status: string;
}

// Worst first.
const SEVERITY: Status[] = ["corrupt", "unknown", "hard_stale", "missing", "insufficient_data", "stale", "fresh"];

export function rowsOf(manifest: Manifest, now: number): Row[] {
  const ops = new Map(manifest.ops.entries.map((entry) => [seriesKey(entry), entry]));
  return manifest.public.entries.map((entry, place) => {
    const key = seriesKey(entry);
    return { key, place, entry, ops: ops.get(key) ?? null, serving: servingOf(entry, now) };
  });
}

export function filtered(rows: readonly Row[], filter: Filter): Row[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ entry, serving, key }) => {
    if (filter.timeframe && entry.timeframe !== filter.timeframe) return false;
    if (filter.status === "refused" ? serving.served : filter.status && serving.status !== filter.status) return false;
    const name = key.toLowerCase();
    return words.every((word) => name.includes(word) || name.replace(/[^a-z0-9]/g, "").includes(word));
  });
}

/** Change of the price over the last 24 candles, as a share. */
export function changeOf(entry: PublicEntry): number | null {
  const { price, previous_price: before } = entry.overview ?? {};
  return price !== undefined && before ? price / before - 1 : null;
}

/** Width of the 80% range as a share of the price. */
export function widthOf(entry: PublicEntry): number | null {
  const shown = entry.overview;
  return shown ? (shown.upper_bound - shown.lower_bound) / shown.price : null;
}

/** Sorted rows; those without a value come last, whatever the direction. Null keeps the order. */
export function sorted(rows: readonly Row[], sort: Sort | null): Row[] {
  if (!sort) return [...rows];
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [valueOf(a, sort.column), valueOf(b, sort.column)];
    if (x === null || y === null) return x === y ? a.place - b.place : x === null ? 1 : -1;
    const order = typeof x === "string" ? x.localeCompare(y as string, "en") : x - (y as number);
    return sign * order || byLength(a, b) || a.place - b.place;
  });
}

function valueOf({ entry, serving }: Row, column: SortColumn): number | string | null {
  if (column === "series") return entry.symbol;
  if (column === "status") return SEVERITY.indexOf(serving.status);
  if (column === "age") return entry.as_of === null ? null : -Date.parse(entry.as_of);
  if (!serving.served) return null; // its numbers are not shown, so they do not sort either
  if (column === "price") return entry.overview?.price ?? null;
  if (column === "change") return changeOf(entry);
  if (column === "range") return widthOf(entry);
  return (column === "skill" ? entry.quality?.skill : entry.quality?.coverage_80) ?? null;
}

function byLength(a: Row, b: Row): number {
  return lengthOf(a.entry.timeframe) - lengthOf(b.entry.timeframe);
}

/** Timeframes of the rows, shortest first. */
export function timeframesOf(rows: readonly { entry: { timeframe: string } }[]): string[] {
  return [...new Set(rows.map((row) => row.entry.timeframe))].sort((a, b) => lengthOf(a) - lengthOf(b));
}
