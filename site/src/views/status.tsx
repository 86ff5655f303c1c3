/** The state of the platform behind the page, as the manifest reports it. */

import type { FeedState } from "../data/feed";
import type { Manifest } from "../data/types";
import { bytes, count, duration, number } from "../rules/format";
import { manifestAge } from "../rules/manifest_age";
import { rowsOf } from "../rules/rows";
import { STATUS_WORDS, type Status } from "../rules/serving";
import { Heading } from "../ui/layout";
import { Ago, Fact, Facts, Time } from "../ui/parts";
import { dagsterHref } from "./dagster";
import { Attempts, Degraded, GapTable, Outages } from "./status_tables";
import { Withheld } from "./withheld";

interface Props {
  manifest: Manifest;
  state: FeedState;
  now: number;
}

export function StatusView({ manifest, state, now }: Props) {
  const dagster = dagsterHref(manifest);
  const degraded = manifest.ops.entries.filter((each) => each.degraded);
  return (
    <>
      <Heading title="Status">Status</Heading>
      <Facts>
        <Fact name="Series"><Counts manifest={manifest} now={now} /></Fact>
        <Fact name="Manifest written"><Ago of={manifest.generated_at} now={now} />, <Time of={manifest.generated_at} both /></Fact>
        {manifest.market && <Fact name="Market">{manifest.market}</Fact>}
        <Metrics manifest={manifest} now={now} />
        {state.problem && <Fact name="Last reading failed">{state.problem.message}</Fact>}
        {dagster && <Fact name="Pipeline"><a href={dagster}>Open Dagster</a></Fact>}
      </Facts>
      <section>
        <h2>Degraded series</h2>
        {degraded.length === 0 ? <p>None: the last attempt to renew each series succeeded.</p> : <Degraded entries={degraded} manifest={manifest} now={now} />}
      </section>
      <section>
        <h2>Outages</h2>
        <p class="muted">Times at which two or more symbols have no candle, all verified with the market: one fault of the exchange.</p>
        {manifest.ops.outages.length === 0 ? <p>None is known.</p> : <Outages outages={manifest.ops.outages} />}
      </section>
      <section>
        <h2>Missing candles</h2>
        <GapTable entries={manifest.ops.entries} />
      </section>
      <Withheld manifest={manifest} />
      <section>
        <h2>What the platform did last</h2>
        <Attempts entries={manifest.ops.entries} now={now} />
      </section>
    </>
  );
}

function Counts({ manifest, now }: { manifest: Manifest; now: number }) {
  const counts = new Map<Status, number>();
  for (const { serving } of rowsOf(manifest, now)) counts.set(serving.status, (counts.get(serving.status) ?? 0) + 1);
  const parts = [...counts].map(([status, many]) => `${number(many, 0)} ${STATUS_WORDS[status].toLowerCase()}`);
  const hidden = manifest.ops.entries.filter((each) => each.visibility !== "public").length;
  if (hidden > 0) parts.push(`${hidden} not published yet`);
  return <>{parts.join(", ") || "none"}</>;
}

/** How the platform keeps up: the delay of publications, their size, and what is due next. */
function Metrics({ manifest, now }: { manifest: Manifest; now: number }) {
  const asOf = new Map(manifest.public.entries.map((each) => [`${each.symbol} ${each.timeframe}`, each.as_of]));
  const delays = manifest.ops.entries
    .map((each) => Date.parse(each.last_success_at ?? "") - Date.parse(asOf.get(`${each.symbol} ${each.timeframe}`) ?? ""))
    .filter((delay) => delay >= 0)
    .sort((a, b) => a - b);
  const files = manifest.public.entries.flatMap((each) => [each.history, each.prediction, each.evaluation ?? null]);
  const size = files.reduce((sum, file) => sum + (file?.bytes ?? 0), 0);
  const { limitMs } = manifestAge(manifest, now);
  return (
    <>
      {delays.length > 0 && (
        <Fact name="From close of the newest candle to publication">
          median {duration(delays[Math.floor(delays.length / 2)]!)}, longest {duration(delays.at(-1)!)}
        </Fact>
      )}
      <Fact name="Published files">{count(files.filter(Boolean).length, "file")}, {bytes(size)}</Fact>
      {limitMs !== null && <Fact name="Manifest is old after">{duration(limitMs)}</Fact>}
    </>
  );
}
