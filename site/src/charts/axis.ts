/** Scales and ticks of the small charts. */

export interface Scale {
  (value: number): number;
}

export function scale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const span = domain[1] - domain[0] || 1;
  return (value) => range[0] + ((value - domain[0]) / span) * (range[1] - range[0]);
}

/** Round numbers within the domain, about `count` of them. */
export function ticks([low, high]: readonly [number, number], count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9) || 0; at * step <= high + 1e-9 * step; at++) found.push(at * step);
  return found;
}

/** The range of the values, a little wider; null without values. */
export function domainOf(values: readonly (number | null)[], margin = 0.06): [number, number] | null {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length === 0) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}
