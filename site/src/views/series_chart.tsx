/** The candle chart with the exact values under the crosshair, for mouse, touch and keyboard. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { CandleChart } from "../charts/candle_chart";
import { BANDS, isLogarithmic, type Fan } from "../charts/candle_data";
import type { History, Outage, PublicEntry } from "../data/types";
import { compact, count, local, price, utc } from "../rules/format";
import { gapsOf, isOutage, nextOpen } from "../rules/timeframes";
import { useIsDark } from "../ui/hooks";

interface Props {
  entry: PublicEntry;
  history: History;
  fan: Fan;
  outages: Outage[];
}

export function SeriesChart({ entry, history, fan, outages }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<CandleChart | null>(null);
  const [slot, setSlot] = useState<number | null>(null);
  const [isSpoken, setIsSpoken] = useState(false);
  const isDark = useIsDark();
  const spans = useMemo(() => spansOf(outages, entry, history), [history]);
  useLayoutEffect(() => {
    const made = new CandleChart(box.current!, (open) => {
      setSlot(open);
      setIsSpoken(false);
    });
    chart.current = made;
    return () => made.remove();
  }, []);
  useEffect(() => chart.current?.show({ candles: history.data, fan, timeframe: history.timeframe, outages: spans }), [history, fan]);
  useEffect(() => chart.current?.paint(), [isDark]);
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -24, PageDown: 24 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    setSlot(chart.current?.moveTo(slot, by) ?? null);
    setIsSpoken(true);
  };
  return (
    <figure class="chart-figure">
      <Reading slot={slot} history={history} fan={fan} isSpoken={isSpoken} />
      <div ref={box} class="candle-chart" tabIndex={0} role="img" onKeyDown={onKey} aria-describedby="chart-help"
        aria-label={`Chart of ${entry.symbol} ${entry.timeframe}: candles, volume, and a forecast of ${fan.steps.length} candles`} />
      <figcaption id="chart-help">
        <ul class="legend">
          {BANDS.map((band) => <li key={band.name}><span class={`swatch band-${band.name.slice(0, 2)}`} aria-hidden="true" />{band.name} range</li>)}
          <li><span class="swatch champion" aria-hidden="true" />median</li>
          <li><span class="swatch gap" aria-hidden="true" />no candles</li>
          {spans.length > 0 && <li><span class="swatch outage" aria-hidden="true" />outage of the exchange</li>}
        </ul>
        <p class="muted">
          A forecast stands over the candle whose close it forecasts. Times on the axis are UTC{isLogarithmic(fan) && ", prices are on a logarithmic scale"}.
          Arrow keys move from candle to candle;
          the tables below have the same numbers. <button type="button" class="link" onClick={() => chart.current?.showForecast()}>Back to the forecast</button>
        </p>
        <Gaps history={history} outages={spans} />
      </figcaption>
    </figure>
  );
}

/** Exact values of one slot; the newest candle without a crosshair. */
function Reading({ slot, history, fan, isSpoken }: { slot: number | null; history: History; fan: Fan; isSpoken: boolean }) {
  const newest = history.data.at(-1)!;
  const open = slot ?? Date.parse(newest.timestamp);
  const candle = history.data.find((each) => Date.parse(each.timestamp) === open);
  const step = fan.steps.find((each) => each.open === open);
  const scale = newest.close;
  const closes = nextOpen(open, history.timeframe);
  return (
    <div class="reading" aria-live={isSpoken ? "polite" : "off"}>
      <span class="reading-time">{utc(open)} UTC <span class="muted">closes {utc(closes)} UTC, {local(closes)} local</span></span>
      {candle && (
        <span>
          {([["O", candle.open], ["H", candle.high], ["L", candle.low], ["C", candle.close]] as const).map(([name, value]) => `${name}\u00a0${price(value, scale)} `)}
          Vol&nbsp;{compact(candle.volume)}
        </span>
      )}
      {step && (
        <span class="of-forecast">
          median {price(step.quantiles["0.5"], scale)}
          {[...BANDS].reverse().map(({ name, lower, upper }) => ` · ${name} ${price(step.quantiles[lower], scale)} – ${price(step.quantiles[upper], scale)}`)}
        </span>
      )}
      {!candle && !step && <span>no candle</span>}
    </div>
  );
}

interface Span {
  start: number;
  end: number;
}

/** Outages of the symbol within the candles. */
function spansOf(outages: Outage[], entry: PublicEntry, history: History): Span[] {
  const first = Date.parse(history.data[0]!.timestamp);
  return outages
    .filter((each) => each.symbols.includes(entry.symbol))
    .map((each) => ({ start: Date.parse(each.start), end: Date.parse(each.end) }))
    .filter((each) => each.end > first);
}

const GAPS_NAMED = 5;

function Gaps({ history, outages }: { history: History; outages: Span[] }) {
  const gaps = gapsOf(history.data.map((candle) => Date.parse(candle.timestamp)), history.timeframe);
  if (gaps.length === 0) return null;
  const newest = [...gaps].reverse().slice(0, GAPS_NAMED).map((gap) =>
    `${utc(gap.start)} to ${utc(gap.end)} UTC (${count(gap.candles, "candle")}${isOutage(gap, outages) ? ", outage of the exchange" : ""})`);
  return (
    <p class="muted">
      {count(gaps.length, "gap")} in these candles, newest first: {newest.join("; ")}{gaps.length > GAPS_NAMED && "; …"}.
    </p>
  );
}
