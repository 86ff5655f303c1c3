/** The candle chart with the exact values under the crosshair, for mouse, touch and keyboard. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { CandleChart } from "../charts/candle_chart";
import { BANDS, type Fan } from "../charts/candle_data";
import type { History, Outage, PublicEntry } from "../data/types";
import { compact, count, local, price, utc } from "../rules/format";
import { gapsOf, nextOpen } from "../rules/timeframes";
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
  useLayoutEffect(() => {
    const made = new CandleChart(box.current!, (open) => {
      setSlot(open);
      setIsSpoken(false);
    });
    chart.current = made;
    return () => made.remove();
  }, []);
  useEffect(() => chart.current?.show({ candles: history.data, fan, timeframe: history.timeframe }), [history, fan]);
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
        </ul>
        <p class="muted">
          A forecast stands over the candle whose close it forecasts. The axis is UTC. Arrow keys move from candle to candle;
          the tables below have the same numbers. <button type="button" class="link" onClick={() => chart.current?.showForecast()}>Back to the forecast</button>
        </p>
        <Gaps entry={entry} history={history} outages={outages} />
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

function Gaps({ entry, history, outages }: { entry: PublicEntry; history: History; outages: Outage[] }) {
  const gaps = gapsOf(history.data.map((candle) => Date.parse(candle.timestamp)), history.timeframe);
  if (gaps.length === 0) return null;
  const first = Date.parse(history.data[0]!.timestamp);
  const wide = outages.filter((each) => each.symbols.includes(entry.symbol) && Date.parse(each.end) > first);
  const isOutage = (gap: { start: number; end: number }) => wide.some((each) => Date.parse(each.start) < gap.end && Date.parse(each.end) > gap.start);
  const newest = [...gaps].reverse().slice(0, 5);
  return (
    <p class="muted">
      {count(gaps.length, "gap")} in these candles, newest first: {newest.map((gap) =>
        `${utc(gap.start)} to ${utc(gap.end)} UTC (${count(gap.candles, "candle")}${isOutage(gap) ? ", outage of the exchange" : ""})`).join("; ")}
      {gaps.length > newest.length && "; …"}.
    </p>
  );
}
