/** Tables of the status view. */

import type { Manifest, OpsEntry, Outage } from "../data/types";
import { count, number } from "../rules/format";
import { safeName, seriesKey } from "../rules/names";
import { Ago, sentence, Table, Time } from "../ui/parts";
import { dagsterHref } from "./dagster";

export function Degraded({ entries, manifest, now }: { entries: OpsEntry[]; manifest: Manifest; now: number }) {
  return (
    <Table caption="Series whose last renewal failed" hideCaption head={["Series", "Failures in a row", "Last failure", "Last success", "Error"]}>
      {entries.map((each) => {
        const href = dagsterHref(manifest, `assets/${safeName(each.symbol)}/published_${each.timeframe}`);
        return (
          <tr key={seriesKey(each)}>
            <th scope="row">{href ? <a href={href}>{seriesKey(each)}</a> : seriesKey(each)}</th>
            <td>{each.consecutive_failures}</td>
            <td><Ago of={each.last_failure_at} now={now} /></td>
            <td><Ago of={each.last_success_at} now={now} /></td>
            <td class="wide">{each.last_error ? sentence(each.last_error) : "–"}</td>
          </tr>
        );
      })}
    </Table>
  );
}

export function Outages({ outages }: { outages: Outage[] }) {
  return (
    <Table caption="Outages, newest first" hideCaption head={["From (UTC)", "To (UTC)", "Timeframe", "Candles of each", "Symbols"]}>
      {outages.map((each) => (
        <tr key={`${each.timeframe} ${each.start} ${each.symbols[0]}`}>
          <th scope="row"><Time of={each.start} /></th>
          <td><Time of={each.end} /></td>
          <td>{each.timeframe}</td>
          <td>{each.candles}</td>
          <td class="wide">{each.symbols.join(", ")}</td>
        </tr>
      ))}
    </Table>
  );
}

export function GapTable({ entries }: { entries: OpsEntry[] }) {
  const withGaps = entries.filter((each) => each.missing_candles > 0 || (each.gaps && Object.values(each.gaps).some((value) => value > 0)));
  if (withGaps.length === 0) return <p>None: every stored history is complete.</p>;
  return (
    <Table caption="Missing candles by what is known of them" hideCaption class="numbers" textColumns={[7]}
      head={["Series", "Missing", "Verified absent", "Unavailable", "Refused", "Pending", "Failed", "Newest reasons"]}>
      {withGaps.map((each) => (
        <tr key={seriesKey(each)}>
          <th scope="row">{seriesKey(each)}</th>
          <td>{number(each.missing_candles, 0)}</td>
          {(["verified_absent", "unavailable", "refused", "pending", "failed"] as const).map((name) => (
            <td key={name}>{each.gaps ? number(each.gaps[name], 0) : "–"}</td>
          ))}
          <td class="wide text">
            {each.gap_reasons.map((gap) => <div key={gap.start}><Time of={gap.start} /> ({count(gap.candles, "candle")} {gap.state}): {sentence(gap.reason)}</div>)}
            {each.gap_reasons.length === 0 && "–"}
          </td>
        </tr>
      ))}
    </Table>
  );
}

const NEWEST = 12;

/** The newest successes and failures of renewing a series. */
export function Attempts({ entries, now }: { entries: OpsEntry[]; now: number }) {
  const all = entries.flatMap((each) => [
    { name: seriesKey(each), time: each.last_success_at, what: "published" },
    { name: seriesKey(each), time: each.last_failure_at, what: each.consecutive_failures > 0 ? "failed" : "failed, then succeeded" },
  ]);
  const known = all.filter((each) => each.time !== null).sort((a, b) => Date.parse(b.time!) - Date.parse(a.time!));
  if (known.length === 0) return <p>Nothing was published yet.</p>;
  return (
    <Table caption={`Newest ${Math.min(NEWEST, known.length)} results by series`} hideCaption head={["Time (UTC)", "Age", "Series", "Result"]}>
      {known.slice(0, NEWEST).map((each) => (
        <tr key={`${each.name} ${each.what}`}>
          <th scope="row"><Time of={each.time!} /></th>
          <td><Ago of={each.time} now={now} /></td>
          <td>{each.name}</td>
          <td>{each.what}</td>
        </tr>
      ))}
    </Table>
  );
}
