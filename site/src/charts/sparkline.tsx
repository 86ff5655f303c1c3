/** The last closes as a line; a picture of numbers that stand beside it. */

const WIDTH = 96;
const HEIGHT = 28;
const MARGIN = 2;

export function sparklinePoints(closes: readonly number[]): string {
  const low = Math.min(...closes);
  const span = Math.max(...closes) - low || 1;
  const step = closes.length > 1 ? (WIDTH - 2 * MARGIN) / (closes.length - 1) : 0;
  return closes
    .map((close, at) => {
      const y = HEIGHT - MARGIN - ((close - low) / span) * (HEIGHT - 2 * MARGIN);
      return `${(MARGIN + at * step).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

export function Sparkline({ closes }: { closes: readonly number[] }) {
  if (closes.length < 2) return null;
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <polyline points={sparklinePoints(closes)} />
    </svg>
  );
}
