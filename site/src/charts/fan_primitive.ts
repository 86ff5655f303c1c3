/** Series primitive of lightweight-charts: bands and median of a forecast, and marks of gaps. */

import type { CanvasRenderingTarget2D } from "fancy-canvas";
import type {
  AutoscaleInfo,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  Logical,
  SeriesAttachedParameter,
  Time,
} from "lightweight-charts";
import type { Quantiles } from "../data/types";
import type { Gap } from "../rules/timeframes";
import { BANDS, seconds, type Fan } from "./candle_data";
import { faded, type Colours } from "./colours";

export interface MarkedGap extends Gap {
  isOutage: boolean;
}

interface Point {
  x: number;
  quantiles: Quantiles;
}

export class FanPrimitive implements ISeriesPrimitive<Time> {
  private host: SeriesAttachedParameter<Time> | null = null;
  private fan: Fan | null = null;
  private gaps: MarkedGap[] = [];
  private colours: Colours | null = null;
  private readonly view: IPrimitivePaneView = {
    zOrder: () => "bottom",
    renderer: (): IPrimitivePaneRenderer => ({ draw: (target) => this.draw(target) }),
  };

  attached(host: SeriesAttachedParameter<Time>): void {
    this.host = host;
  }

  detached(): void {
    this.host = null;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [this.view];
  }

  show(fan: Fan | null, gaps: MarkedGap[], colours: Colours): void {
    [this.fan, this.gaps, this.colours] = [fan, gaps, colours];
    this.host?.requestUpdate();
  }

  /** The price scale makes room for the 90% band of the steps that are in view. */
  autoscaleInfo(from: Logical, to: Logical): AutoscaleInfo | null {
    const scale = this.host?.chart.timeScale();
    if (!this.fan || !scale) return null;
    const shown = this.fan.steps.filter((step) => {
      const at = scale.timeToIndex(seconds(step.open), false);
      return at !== null && at >= from && at <= to;
    });
    if (shown.length === 0) return null;
    return {
      priceRange: {
        minValue: Math.min(...shown.map((step) => step.quantiles["0.05"])),
        maxValue: Math.max(...shown.map((step) => step.quantiles["0.95"])),
      },
    };
  }

  private draw(target: CanvasRenderingTarget2D): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      this.drawGaps(context, mediaSize.height);
      this.drawFan(context, mediaSize.height);
    });
  }

  private x(open: number): number | null {
    return this.host?.chart.timeScale().timeToCoordinate(seconds(open)) ?? null;
  }

  private drawGaps(context: CanvasRenderingContext2D, height: number): void {
    const width = this.host?.chart.timeScale().options().barSpacing ?? 0;
    if (!this.colours) return;
    for (const gap of this.gaps) {
      context.fillStyle = gap.isOutage ? this.colours.outage : this.colours.gap;
      const [from, to] = [this.x(gap.start), this.x(gap.end)];
      if (to === null) continue;
      const start = (from ?? to) - width / 2;
      context.fillRect(start, 0, Math.max(2, to - width / 2 - start), height);
    }
  }

  private drawFan(context: CanvasRenderingContext2D, height: number): void {
    const { fan, colours, host } = this;
    if (!fan || !colours || !host) return;
    const points = this.points(fan);
    if (points.length < 2) return;
    const y = (price: number) => host.series.priceToCoordinate(price) ?? 0;
    context.fillStyle = faded(colours.muted, 0.5);
    context.fillRect(Math.round(points[0]!.x), 0, 1, height); // where the forecast begins
    for (const { lower, upper, opacity } of BANDS) {
      context.beginPath();
      points.forEach((point) => context.lineTo(point.x, y(point.quantiles[upper])));
      [...points].reverse().forEach((point) => context.lineTo(point.x, y(point.quantiles[lower])));
      context.closePath();
      context.fillStyle = faded(colours.accent, opacity);
      context.fill();
    }
    context.beginPath();
    points.forEach((point) => context.lineTo(point.x, y(point.quantiles["0.5"])));
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.stroke();
  }

  private points(fan: Fan): Point[] {
    const points: Point[] = [];
    const add = (open: number, quantiles: Quantiles) => {
      const x = this.x(open);
      if (x !== null) points.push({ x, quantiles });
    };
    if (fan.start) {
      const { close } = fan.start;
      const all = { "0.05": close, "0.1": close, "0.25": close, "0.5": close, "0.75": close, "0.9": close, "0.95": close };
      add(fan.start.open, all);
    }
    for (const step of fan.steps) add(step.open, step.quantiles);
    return points;
  }
}
