/** Arithmetic of timeframes, in ccxt's notation: `1m` is a minute, `1M` a calendar month. */

const UNIT: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Open time of the candle after the one that opens at `open`; both in milliseconds. */
export function nextOpen(open: number, timeframe: string): number {
  const count = Number.parseInt(timeframe, 10);
  const unit = timeframe.slice(-1);
  if (unit === "M") {
    const date = new Date(open);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + count, 1);
  }
  return open + count * (UNIT[unit] ?? Number.NaN);
}

/** Approximate length in milliseconds, to sort by. */
export function lengthOf(timeframe: string): number {
  const unit = timeframe.slice(-1);
  return Number.parseInt(timeframe, 10) * (unit === "M" ? 30 * UNIT.d! : (UNIT[unit] ?? 0));
}

export interface Gap {
  /** Open of the first missing candle, and of the first candle after the gap (milliseconds). */
  start: number;
  end: number;
  candles: number;
}

interface Span {
  start: number;
  end: number;
}

/** Whether a gap is part of one of the outages of the exchange. */
export function isOutage(gap: Span, outages: readonly Span[]): boolean {
  return outages.some((each) => each.start < gap.end && each.end > gap.start);
}

/** Gaps between ascending open times. */
export function gapsOf(opens: readonly number[], timeframe: string): Gap[] {
  const gaps: Gap[] = [];
  for (let at = 1; at < opens.length; at++) {
    const start = nextOpen(opens[at - 1]!, timeframe);
    const end = opens[at]!;
    if (!(start < end)) continue; // NaN too: a timeframe that this page does not know
    let candles = 0;
    for (let open = start; open < end; open = nextOpen(open, timeframe)) candles++;
    gaps.push({ start, end, candles });
  }
  return gaps;
}
