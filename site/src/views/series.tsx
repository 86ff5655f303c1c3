/** One series: chart, forecast and its past, tables; or why it is not shown. */

import { useMemo } from "preact/hooks";
import { fanOf, pastFan, type Fan } from "../charts/candle_data";
import type { Evaluation, PastForecast } from "../data/evaluation";
import type { Problem } from "../data/problems";
import type { History, Manifest, Prediction, PublicEntry } from "../data/types";
import { utc } from "../rules/format";
import { safeName } from "../rules/names";
import { hrefOf, type Route } from "../rules/routes";
import { isTooOld, servingOf } from "../rules/serving";
import { lengthOf } from "../rules/timeframes";
import { useFile } from "../ui/hooks";
import { Banner, Heading } from "../ui/layout";
import { Refusal, sentence, StatusBadge } from "../ui/parts";
import { Archive } from "./archive";
import { Origins } from "./origins";
import type { ViewProps } from "./props";
import { SeriesChart } from "./series_chart";
import { KeyFacts, SeriesFacts } from "./series_facts";
import { SeriesTables } from "./series_tables";

export function SeriesView({ manifest, feed, state, route, now }: ViewProps) {
  const ofSymbol = manifest.public.entries.filter((each) => safeName(each.symbol) === route.symbol);
  const entry = ofSymbol.find((each) => each.timeframe === route.timeframe) ?? null;
  const attempt = state.readAt ?? state.failingSince;
  const serving = entry && servingOf(entry, now);
  const wanted = serving?.served ? entry : null;
  const history = useFile("history", wanted, feed, attempt);
  const prediction = useFile("prediction", wanted, feed, attempt);
  const evaluation = useFile("evaluation", wanted, feed, attempt);
  if (!entry || !serving) return <NotPublished route={route} manifest={manifest} />;
  const documents = [history.document, prediction.document];
  const isShown = serving.served && documents.every((each) => each === null || !isTooOld(each.as_of, entry, now));
  return (
    <>
      <p class="path"><a href={hrefOf("overview")}>Overview</a> / {entry.symbol}</p>
      <div class="series-head">
        <Heading title={`${entry.symbol} ${entry.timeframe}`}>
          {entry.symbol} <span class="of-timeframe">{entry.timeframe}</span>
        </Heading>
        <StatusBadge status={serving.status} />
        <Timeframes entries={ofSymbol} route={route} />
      </div>
      {serving.served && serving.why && <Banner tone="stale" title="Stale.">{sentence(serving.why)}</Banner>}
      {serving.served && entry.caution && <Banner tone="stale" title="Caution.">{sentence(entry.caution)}</Banner>}
      {!serving.served && <Refusal serving={serving} />}
      {serving.served && <Unreadable problems={[history.problem, prediction.problem]} />}
      {isShown && history.document && prediction.document ? (
        <Shown entry={entry} manifest={manifest} history={history.document} prediction={prediction.document} evaluation={evaluation.document} route={route} now={now} />
      ) : isShown && !history.problem && !prediction.problem && <p class="muted">Reading the files of this series…</p>}
      <Archive key={`${entry.symbol} ${entry.timeframe}`} entry={entry} manifest={manifest} feed={feed} attempt={attempt} />
    </>
  );
}

interface ShownProps {
  entry: PublicEntry;
  manifest: Manifest;
  history: History;
  prediction: Prediction;
  evaluation: Evaluation | null;
  route: Route;
  now: number;
}

function Shown({ entry, manifest, history, prediction, evaluation, route, now }: ShownProps) {
  const past = evaluation?.recent ?? [];
  const origin = route.query.get("origin");
  const chosen = past.find((each) => each.as_of === origin) ?? null;
  const fan = useFan(history, prediction, chosen);
  return (
    <>
      <KeyFacts entry={entry} now={now} />
      <section aria-labelledby="chart-heading">
        <div class="section-head">
          <h2 id="chart-heading">{chosen ? `Forecast of ${utc(chosen.as_of)} UTC and what came` : "Candles and forecast"}</h2>
          <Origins entry={entry} past={past} chosen={chosen} />
        </div>
        <SeriesChart entry={entry} history={history} fan={fan} outages={manifest.ops.outages} />
      </section>
      <SeriesFacts entry={entry} manifest={manifest} prediction={prediction} />
      <SeriesTables history={history} prediction={prediction} chosen={chosen} />
    </>
  );
}

/** The same object until something in it changes, so that the chart is not drawn each second. */
function useFan(history: History, prediction: Prediction, chosen: PastForecast | null): Fan {
  return useMemo(
    () => (chosen ? pastFan(chosen, history.timeframe, history.data) : fanOf(prediction, history.data)),
    [history, prediction, chosen],
  );
}

function Timeframes({ entries, route }: { entries: PublicEntry[]; route: Route }) {
  const ordered = [...entries].sort((a, b) => lengthOf(a.timeframe) - lengthOf(b.timeframe));
  return (
    <nav class="tabs" aria-label="Timeframe">
      {ordered.map((each) => (
        <a key={each.timeframe} href={hrefOf("series", each)} aria-current={each.timeframe === route.timeframe ? "page" : undefined}>
          {each.timeframe}
        </a>
      ))}
    </nav>
  );
}

function Unreadable({ problems }: { problems: (Problem | null)[] }) {
  const found = problems.filter((problem): problem is Problem => problem !== null);
  if (found.length === 0) return null;
  const isDamage = found.some((problem) => problem.kind !== "unreachable");
  return (
    <div role="status">
      <Banner tone="refused" title={isDamage ? "A file of this series is not what the manifest lists. It is not shown." : "A newer file cannot be read."}>
        {[...new Set(found.map((problem) => problem.message))].join(" ")} The page tries again every minute.
      </Banner>
    </div>
  );
}

function NotPublished({ route, manifest }: { route: Route; manifest: Manifest }) {
  const name = `${route.symbol ?? ""} ${route.timeframe ?? ""}`.trim();
  const hidden = manifest.ops.entries.find((each) => safeName(each.symbol) === route.symbol && each.timeframe === route.timeframe);
  return (
    <>
      <p class="path"><a href={hrefOf("overview")}>Overview</a></p>
      <Heading title={name}>{name || "No series"}</Heading>
      <section class="refusal">
        <h2>Not published</h2>
        <p>{hidden ? sentence(hidden.reason ?? "Its history is still being collected") : "The manifest has no series of this name."}</p>
      </section>
    </>
  );
}
