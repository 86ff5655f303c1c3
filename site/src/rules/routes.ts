/** Addresses of the views, in the part after `#`, so that any static server can serve them. */

import { safeName } from "./names";

export type View = "overview" | "series" | "quality" | "status";

export interface Route {
  view: View;
  /** The symbol as in file names, for example `BTC_USDT`. */
  symbol: string | null;
  timeframe: string | null;
  query: URLSearchParams;
}

const VIEWS: readonly string[] = ["series", "quality", "status"];

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const [view = "", symbol, timeframe] = path.split("/").filter(Boolean).map(decoded);
  return {
    view: VIEWS.includes(view) ? (view as View) : "overview",
    symbol: symbol ? safeName(symbol) : null,
    timeframe: timeframe ?? null,
    query: new URLSearchParams(search),
  };
}

export function hrefOf(view: View, of?: { symbol: string; timeframe: string }, query: Record<string, string> = {}): string {
  const path = [view === "overview" ? "" : view, ...(of ? [safeName(of.symbol), of.timeframe] : [])].join("/");
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
