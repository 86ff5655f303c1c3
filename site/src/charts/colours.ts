/** Colours of the canvas, from the custom properties of the style sheet: they follow light and dark. */

const NAMES = ["ground", "ink", "muted", "line", "accent", "up", "down", "gap", "outage"] as const;
export type Colours = Record<(typeof NAMES)[number], string>;

export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Colours;
}

/** A colour `#rrggbb` with an opacity, 0 to 1. */
export function faded(colour: string, opacity: number): string {
  return `${colour}${Math.round(opacity * 255).toString(16).padStart(2, "0")}`;
}
