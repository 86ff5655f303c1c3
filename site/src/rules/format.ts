/** Numbers and times as texts. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NONE = "–";
const MINUS = "\u2212";

/** Digits after the point that show a price to about six significant digits. */
export function priceDigits(price: number): number {
  if (!(price > 0)) return 2;
  return Math.min(10, Math.max(2, 5 - Math.floor(Math.log10(price))));
}

const formats = new Map<number, Intl.NumberFormat>();

export function number(value: number, digits: number): string {
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format.format(value).replace("-", MINUS);
}

/** A price; those that are shown together take the digits of one `scale`. */
export function price(value: number, scale = value): string {
  return number(value, priceDigits(scale));
}

export function compact(value: number): string {
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 }).format(value);
}

export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? NONE : `${number(100 * share, digits)}%`;
}

export function signedPercent(share: number | null | undefined, digits = 2): string {
  if (share === null || share === undefined) return NONE;
  const text = percent(share, digits);
  return share > 0 ? `+${text}` : text;
}

/** Class of a change: `up`, `down`, or none. */
export function direction(change: number | null): string {
  if (!change) return "";
  return change > 0 ? "up" : "down";
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${number(count / 1e3, 1)} kB` : `${number(count / 1e6, 1)} MB`;
}

/** `3 min`, `2 h 10 min`, `4 d 3 h`; the two largest units at most. */
export function duration(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < MINUTE) return `${Math.floor(whole / 1000)} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  const [large, small, unit, rest] = whole < DAY ? [HOUR, MINUTE, "h", "min"] as const : [DAY, HOUR, "d", "h"] as const;
  const count = Math.floor(whole / large);
  const left = Math.floor((whole % large) / small);
  return left && count < 100 ? `${count} ${unit} ${left} ${rest}` : `${count} ${unit}`;
}

export function ago(time: string | null | undefined, now: number): string {
  if (!time) return NONE;
  const age = now - Date.parse(time);
  return age < 0 ? `in ${duration(-age)}` : `${duration(age)} ago`;
}

/** `2026-11-29 12:00`, in UTC. */
export function utc(time: string | number): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}

/** The same in the reader's time zone. */
export function local(time: string | number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Name of the reader's time zone, for example `Europe/Berlin`. */
export function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value, 0)} ${value === 1 ? one : many}`;
}
