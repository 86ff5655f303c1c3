/** One row of the overview. It renders again only when something in it changes. */

import { Component } from "preact";
import { Sparkline } from "../charts/sparkline";
import type { PublicEntry } from "../data/types";
import { ago, direction, percent, price, signedPercent, utc } from "../rules/format";
import { hrefOf } from "../rules/routes";
import { changeOf, type Row } from "../rules/rows";
import { sentence, StatusBadge } from "../ui/parts";

interface Props {
  row: Row;
  now: number;
  isGrouped: boolean;
}

export class SeriesRow extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return shown(next) !== shown(this.props) || next.row.entry !== this.props.row.entry || next.isGrouped !== this.props.isGrouped;
  }

  override render({ row: { entry, serving, ops }, now, isGrouped }: Props) {
    const ofServed = serving.served ? [serving.why, entry.caution] : [];
    const notes = [...ofServed, ops?.degraded ? "The last attempt to renew it failed." : null];
    const shownNotes = notes.filter((note): note is string => Boolean(note));
    return (
      <>
        <tr role="row" class={shownNotes.length > 0 ? "row with-notes" : "row"}>
          <th scope="row" role="rowheader">
            <a class="series" href={hrefOf("series", entry)}>
              <span class={isGrouped ? "visually-hidden" : ""}>{entry.symbol} </span>{entry.timeframe}
            </a>
          </th>
          <td role="cell" class="c-status"><StatusBadge status={serving.status} /></td>
          <td role="cell" class="c-age" title={entry.as_of ? `Data ends ${utc(entry.as_of)} UTC` : undefined}>{ago(entry.as_of, now)}</td>
          {serving.served ? <Numbers entry={entry} /> : (
            <td role="cell" class="c-why" aria-colspan={6} colSpan={6}>{sentence(serving.why ?? "")}</td>
          )}
        </tr>
        {shownNotes.length > 0 && (
          <tr role="row" class="notes"><td role="cell" aria-colspan={9} colSpan={9}>{shownNotes.map(sentence).join(" ")}</td></tr>
        )}
      </>
    );
  }
}

function shown({ row, now }: Props): string {
  return `${row.serving.status} ${row.serving.why} ${ago(row.entry.as_of, now)} ${row.ops?.degraded}`;
}

function Numbers({ entry }: { entry: PublicEntry }) {
  const { overview, quality } = entry;
  const change = changeOf(entry);
  return (
    <>
      <td role="cell" class="num c-price">{overview ? price(overview.price) : "–"}</td>
      <td role="cell" class={`num c-change ${direction(change)}`}>{signedPercent(change)}</td>
      <td role="cell" class="num c-range" title={overview ? `at ${utc(overview.target_time)} UTC` : undefined}>
        {overview ? <>{price(overview.lower_bound, overview.price)} – {price(overview.upper_bound, overview.price)}</> : "–"}
      </td>
      <td role="cell" class="c-line">{overview && <Sparkline closes={overview.closes} />}</td>
      <td role="cell" class="num c-skill"><span class="label">Skill </span>{signedPercent(quality?.skill, 1)}</td>
      <td role="cell" class="num c-coverage"><span class="label">Coverage </span>{percent(quality?.coverage_80)}</td>
    </>
  );
}
