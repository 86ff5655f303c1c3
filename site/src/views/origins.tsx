/** Steps back through the matured forecasts of a series. The address holds the origin. */

import type { PastForecast } from "../data/evaluation";
import type { PublicEntry } from "../data/types";
import { utc } from "../rules/format";
import { hrefOf } from "../rules/routes";

interface Props {
  entry: PublicEntry;
  /** Oldest first. */
  past: PastForecast[];
  chosen: PastForecast | null;
}

export function Origins({ entry, past, chosen }: Props) {
  if (past.length === 0) return <p class="muted">No past forecast is published yet: each takes 24 candles to mature.</p>;
  const at = chosen ? past.indexOf(chosen) : past.length;
  const go = (place: number) => {
    const origin = past[place]?.as_of ?? "";
    history.replaceState(null, "", hrefOf("series", entry, { origin }));
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  };
  return (
    <div class="origins" role="group" aria-label="Forecast shown">
      <button type="button" onClick={() => at > 0 && go(at - 1)} aria-disabled={at === 0}>Earlier</button>
      <select aria-label="Origin" value={chosen?.as_of ?? ""} onChange={(event) => go(past.findIndex((each) => each.as_of === event.currentTarget.value))}>
        <option value="">newest forecast</option>
        {[...past].reverse().map((each) => (
          <option key={each.as_of} value={each.as_of}>{utc(each.as_of)} UTC{each.live ? "" : ", backtest"}</option>
        ))}
      </select>
      <button type="button" onClick={() => at < past.length && go(at + 1)} aria-disabled={at === past.length}>Later</button>
    </div>
  );
}
