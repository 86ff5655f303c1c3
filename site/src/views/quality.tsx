/** How good the forecasts were: a table of all series, and the plots of one. */

import type { PublicEntry } from "../data/types";
import { number, percent, signedPercent } from "../rules/format";
import { safeName, seriesKey } from "../rules/names";
import { scored } from "../rules/roles";
import { hrefOf } from "../rules/routes";
import { servingOf } from "../rules/serving";
import { useFile } from "../ui/hooks";
import { Banner, Heading } from "../ui/layout";
import { Refusal, StatusBadge, Table, Time } from "../ui/parts";
import type { ViewProps } from "./props";
import { QualityPlots } from "./quality_plots";
import { MethodsTable, QualityTables, RoleScoresTable } from "./quality_tables";

export function Quality(props: ViewProps) {
  return props.route.symbol ? <OfSeries {...props} /> : <OfAll {...props} />;
}

function OfAll({ manifest, now }: ViewProps) {
  return (
    <>
      <Heading title="Quality">Quality</Heading>
      <p class="lead">
        Scores of forecasts whose 24 candles are over. Skill is the share of a naive forecast’s loss that the model saves: a few
        percent is good, below zero the naive forecast is better. The 80% range should hold about 80% of closes.
      </p>
      <Table caption="Scores of the champion by series" hideCaption class="numbers"
        head={["Series", "Skill", "Coverage of 80%", "Coverage of 90%", "Pinball loss", "Width of 80%", "Forecasts", "Live", "Drift", "Evaluated (UTC)"]}>
        {manifest.public.entries.map((entry) => <ScoreRow key={seriesKey(entry)} entry={entry} now={now} />)}
      </Table>
    </>
  );
}

function ScoreRow({ entry, now }: { entry: PublicEntry; now: number }) {
  const serving = servingOf(entry, now);
  const { quality } = entry;
  return (
    <tr>
      <th scope="row"><a href={hrefOf("quality", entry)}>{seriesKey(entry)}</a></th>
      {!serving.served ? <td class="text" colSpan={9}><StatusBadge status={serving.status} /></td> : !quality ? (
        <td class="text muted" colSpan={9}>{entry.evaluation ? "No forecast has matured yet; each takes 24 candles." : "No forecast is scored yet."}</td>
      ) : (
        <>
          <td>{signedPercent(quality.skill, 1)}</td>
          <td>{percent(quality.coverage_80)}</td>
          <td>{percent(quality.coverage_90)}</td>
          <td>{percent(quality.pinball, 3)}</td>
          <td>{percent(quality.sharpness, 2)}</td>
          <td>{number(quality.origins, 0)}</td>
          <td>{number(quality.live, 0)}</td>
          <td>{quality.drift}</td>
          <td><Time of={quality.as_of} /></td>
        </>
      )}
    </tr>
  );
}

function OfSeries({ manifest, feed, state, route, now }: ViewProps) {
  const entry = manifest.public.entries.find((each) => safeName(each.symbol) === route.symbol && each.timeframe === route.timeframe) ?? null;
  const serving = entry && servingOf(entry, now);
  const { document: evaluation, problem } = useFile("evaluation", serving?.served ? entry : null, feed, state.readAt ?? state.failingSince);
  const name = entry ? seriesKey(entry) : `${route.symbol} ${route.timeframe ?? ""}`;
  return (
    <>
      <p class="path"><a href={hrefOf("quality")}>Quality</a> / {name}</p>
      <Heading title={`Quality of ${name}`}>
        {name} <span class="of-timeframe">quality</span>
      </Heading>
      {!entry || !serving ? <p>The manifest has no series of this name.</p> : !serving.served ? <Refusal serving={serving} /> : (
        <>
          <p><a href={hrefOf("series", entry)}>Chart and forecast of this series</a></p>
          {problem && <div role="status"><Banner tone="refused" title="The evaluation cannot be read.">{problem.message}</Banner></div>}
          {evaluation ? (
            <>
              <p class="lead">
                Evaluated with data up to <Time of={evaluation.as_of} both />
                {evaluation.window && <>, forecasts made from <Time of={evaluation.window.start} /> on</>}.
              </p>
              <MethodsTable evaluation={evaluation} />
              {scored(evaluation).length > 0 ? (
                <QualityPlots evaluation={evaluation}><RoleScoresTable evaluation={evaluation} /></QualityPlots>
              ) : <RoleScoresTable evaluation={evaluation} />}
              <QualityTables evaluation={evaluation} />
            </>
          ) : !problem && <p class="muted">{entry.evaluation ? "Reading the evaluation…" : "No forecast of this series is scored yet. The platform scores once a day; a forecast matures after 24 candles."}</p>}
        </>
      )}
    </>
  );
}
