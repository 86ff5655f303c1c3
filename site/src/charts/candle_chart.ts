/** Candles, volume and a forecast fan, by lightweight-charts. The time axis is UTC. */

import {
  CandlestickSeries,
  createChart,
  CrosshairMode,
  HistogramSeries,
  PriceScaleMode,
  type CandlestickData,
  type IChartApi,
  type ISeriesApi,
  type Time,
  type WhitespaceData,
} from "lightweight-charts";
import type { Candle } from "../data/types";
import { price, priceDigits, utc } from "../rules/format";
import { isOutage } from "../rules/timeframes";
import { isLogarithmic, seconds, slotsOf, type Fan } from "./candle_data";
import { coloursOf, faded, type Colours } from "./colours";
import { FanPrimitive, type MarkedGap } from "./fan_primitive";

const CANDLES_IN_VIEW = 96;
const ROOM_RIGHT = 2;

export interface ChartContent {
  candles: readonly Candle[];
  fan: Fan | null;
  timeframe: string;
  /** Start and end of outages of the exchange, in milliseconds. */
  outages: readonly { start: number; end: number }[];
}

export class CandleChart {
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly volume: ISeriesApi<"Histogram">;
  private readonly primitive = new FanPrimitive();
  private content: ChartContent | null = null;
  private gaps: MarkedGap[] = [];
  private opens: number[] = [];
  private shownFan: number | null = null;

  /** @param onSlot gets the open time under the crosshair, or null */
  constructor(private readonly element: HTMLElement, onSlot: (open: number | null) => void) {
    this.chart = createChart(element, {
      autoSize: true,
      // The logo brings a style element, which the content security policy refuses; the footer
      // of the page has the attribution and the link.
      layout: { attributionLogo: false, fontSize: 12, fontFamily: getComputedStyle(element).fontFamily },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: 0.22 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, minBarSpacing: 1 },
      localization: { locale: "en-GB", timeFormatter: (time: Time) => `${utc(1000 * (time as number))} UTC` },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false, priceLineVisible: false });
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.candles.attachPrimitive(this.primitive);
    this.chart.subscribeCrosshairMove(({ time }) => onSlot(time === undefined ? null : 1000 * (time as number)));
  }

  /** Show other content; the reader's place stays as long as series and forecast are the same. */
  show(content: ChartContent): void {
    const isSame = this.content?.timeframe === content.timeframe && this.shownFan === (content.fan?.asOf ?? null);
    const view = isSame ? this.chart.timeScale().getVisibleRange() : null;
    this.content = content;
    this.shownFan = content.fan?.asOf ?? null;
    const { gaps, opens } = slotsOf(content.candles, content.fan, content.timeframe);
    this.gaps = gaps.map((gap) => ({ ...gap, isOutage: isOutage(gap, content.outages) }));
    this.opens = opens;
    this.paint();
    if (view) this.chart.timeScale().setVisibleRange(view);
    else this.showForecast();
  }

  /** Draw with the colours of now. */
  paint(): void {
    const { content } = this;
    if (!content) return;
    const colours = coloursOf(this.element);
    this.applyColours(colours);
    const scale = content.candles.at(-1)?.close ?? 1;
    const mode = isLogarithmic(content.fan) ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal;
    this.candles.priceScale().applyOptions({ mode });
    const formatter = (value: number) => price(value, scale);
    this.candles.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -priceDigits(scale), formatter } });
    const byOpen = new Map(content.candles.map((candle) => [Date.parse(candle.timestamp), candle]));
    const bars: (CandlestickData | WhitespaceData)[] = this.opens.map((open) => {
      const candle = byOpen.get(open);
      return candle ? { time: seconds(open), open: candle.open, high: candle.high, low: candle.low, close: candle.close } : { time: seconds(open) };
    });
    this.candles.setData(bars);
    this.volume.setData(content.candles.map((candle) => ({
      time: seconds(Date.parse(candle.timestamp)),
      value: candle.volume,
      color: faded(candle.close < candle.open ? colours.down : colours.up, 0.35),
    })));
    this.primitive.show(content.fan, this.gaps, colours);
  }

  /** Bring the forecast into view, with candles before it. */
  showForecast(): void {
    const { fan } = this.content ?? {};
    const end = fan?.steps.at(-1)?.open ?? this.opens.at(-1) ?? 0;
    const last = this.opens.indexOf(end) < 0 ? this.opens.length - 1 : this.opens.indexOf(end);
    this.chart.timeScale().setVisibleLogicalRange({ from: last - this.inView() - 24, to: last + ROOM_RIGHT });
  }

  /** Put the crosshair onto the next slot, for the keyboard; returns its open time. */
  moveTo(open: number | null, by: number): number | null {
    const fromLast = this.opens.findIndex((each) => each === (this.content?.fan?.asOf ?? null));
    const at = open === null ? (fromLast > 0 ? fromLast - 1 : this.opens.length - 1) : this.opens.indexOf(open) + by;
    const found = this.opens[Math.min(this.opens.length - 1, Math.max(0, at))];
    if (found === undefined) return null;
    const candle = this.content?.candles.find((each) => Date.parse(each.timestamp) === found);
    const step = this.content?.fan?.steps.find((each) => each.open === found);
    const height = candle?.close ?? step?.quantiles["0.5"];
    if (height !== undefined) this.chart.setCrosshairPosition(height, seconds(found), this.candles);
    this.scrollTo(found);
    return found;
  }

  remove(): void {
    this.chart.remove();
  }

  private inView(): number {
    return Math.min(CANDLES_IN_VIEW, Math.max(24, Math.floor(this.element.clientWidth / 8) - 24));
  }

  private scrollTo(open: number): void {
    const scale = this.chart.timeScale();
    const at = this.opens.indexOf(open);
    const range = scale.getVisibleLogicalRange();
    if (!range || (at >= range.from && at <= range.to)) return;
    const width = range.to - range.from;
    scale.setVisibleLogicalRange({ from: at - width / 2, to: at + width / 2 });
  }

  private applyColours(colours: Colours): void {
    this.chart.applyOptions({
      layout: { background: { color: colours.ground }, textColor: colours.muted },
      grid: { vertLines: { color: faded(colours.line, 0.5) }, horzLines: { color: faded(colours.line, 0.5) } },
    });
    const { up, down } = colours;
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
  }
}
