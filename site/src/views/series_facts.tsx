/** The numbers of a series at a glance, in UTC and local time. */

import type { Manifest, Prediction, PublicEntry } from "../data/types";
import { direction, percent, price, signedPercent } from "../rules/format";
import { safeName, seriesKey } from "../rules/names";
import { hrefOf } from "../rules/routes";
import { changeOf } from "../rules/rows";
import { Ago, Fact, Facts, Time } from "../ui/parts";
import { dagsterHref } from "./dagster";

interface Props {
  entry: PublicEntry;
  manifest: Manifest;
  prediction: Prediction;
}

/** What a reader looks for first. */
export function KeyFacts({ entry, now }: { entry: PublicEntry; now: number }) {
  const { overview } = entry;
  const change = changeOf(entry);
  return (
    <Facts class="key">
      {overview && <Fact name="Last price">{price(overview.price)}</Fact>}
      {overview && <Fact name="Change, 24 candles"><span class={direction(change)}>{signedPercent(change)}</span></Fact>}
      {overview && (
        <Fact name="80% range, 24 candles ahead">
          {price(overview.lower_bound, overview.price)} – {price(overview.upper_bound, overview.price)}
        </Fact>
      )}
      <Fact name="Data ends"><Ago of={entry.as_of} now={now} /></Fact>
    </Facts>
  );
}

/** When the data ages, which model made the forecast, and where to read on. */
export function SeriesFacts({ entry, manifest, prediction }: Props) {
  const { quality } = entry;
  const ops = manifest.ops.entries.find((each) => seriesKey(each) === seriesKey(entry));
  const dagster = dagsterHref(manifest, `assets/${safeName(entry.symbol)}/published_${entry.timeframe}`);
  return (
    <Facts>
      <Fact name="Data ends"><Time of={entry.as_of!} both /></Fact>
      <Fact name="Stale after"><Time of={entry.stale_at!} both /></Fact>
      <Fact name="Not shown after"><Time of={entry.hard_stale_at!} both /></Fact>
      <Fact name="Model">
        version {prediction.model_version}
        {ops?.champion && ops.champion !== prediction.model_version && `, champion ${ops.champion}`}
      </Fact>
      {quality && (
        <Fact name="Quality">
          <a href={hrefOf("quality", entry)}>skill {signedPercent(quality.skill, 1)}, {percent(quality.coverage_80)} in the 80% range</a>
        </Fact>
      )}
      {dagster && <Fact name="Pipeline"><a href={dagster}>Asset in Dagster</a></Fact>}
    </Facts>
  );
}
