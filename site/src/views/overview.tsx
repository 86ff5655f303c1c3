/** One row a series, grouped by symbol until the reader sorts. The address holds filter and sort. */

import { useEffect, useRef } from "preact/hooks";
import type { Manifest } from "../data/types";
import { count } from "../rules/format";
import { hrefOf, type Route } from "../rules/routes";
import { filtered, rowsOf, sorted, timeframesOf, type Filter, type Row, type Sort, type SortColumn } from "../rules/rows";
import { Heading } from "../ui/layout";
import { SeriesRow } from "./overview_row";
import { Withheld } from "./withheld";

const COLUMNS: { name: string; sort?: SortColumn; short?: string; class?: string }[] = [
  { name: "Series", sort: "series" },
  { name: "Status", sort: "status" },
  { name: "Data age", short: "Age", sort: "age" },
  { name: "Last price", short: "Price", sort: "price", class: "num" },
  { name: "Change, 24 candles", short: "Change", sort: "change", class: "num" },
  { name: "80% range, 24 candles ahead", short: "Range", sort: "range", class: "num" },
  { name: "Last 48 closes", class: "c-line" },
  { name: "Skill", sort: "skill", class: "num" },
  { name: "Coverage of 80%", short: "Coverage", sort: "coverage", class: "num" },
];
const FEW: [string, string][] = [["", "All"], ["fresh", "Fresh"], ["stale", "Stale"], ["refused", "Not shown"]];

export function Overview({ manifest, route, now }: { manifest: Manifest; route: Route; now: number }) {
  const { query } = route;
  const filter: Filter = {
    text: query.get("q") ?? "",
    timeframe: query.get("tf") ?? "",
    status: query.get("status") ?? "",
  };
  const sort = sortIn(query);
  const all = rowsOf(manifest, now);
  const kept = filtered(all, filter);
  const groups = sort ? [{ symbol: null, rows: sorted(kept, sort) }] : bySymbol(kept);
  const table = useRef<HTMLTableElement>(null);
  const set = (change: Record<string, string>) => {
    const next = { ...Object.fromEntries(query), ...change };
    history.replaceState(null, "", hrefOf("overview", undefined, next));
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  };
  return (
    <>
      <Heading title="Overview">Overview</Heading>
      <Filters all={all} filter={filter} set={set} />
      <p class="muted" role="status">
        {kept.length === all.length ? count(all.length, "series", "series") : `${kept.length} of ${count(all.length, "series", "series")}`}
        {sort && <> sorted by {sort.column}. <button type="button" class="link" onClick={() => set({ sort: "" })}>Group by symbol</button></>}
      </p>
      <div class="scroll overview-box">
        <table ref={table} class="overview" role="table" onKeyDown={(event) => moveFocus(event, table.current!)}>
          <caption class="visually-hidden">
            Published series. Status and age are by the clock of this device. Headings sort the table.
          </caption>
          <thead role="rowgroup">
            <tr role="row">
              {COLUMNS.map((column) => (
                <th key={column.name} scope="col" role="columnheader" class={column.class} aria-sort={ariaSort(column.sort, sort)}>
                  {column.sort ? (
                    <button type="button" onClick={() => set({ sort: nextSort(column.sort!, sort) })}>
                      <span class="long">{column.name}</span><span class="short">{column.short ?? column.name}</span>
                    </button>
                  ) : column.name}
                </th>
              ))}
            </tr>
          </thead>
          {groups.map(({ symbol, rows }) => (
            <tbody key={symbol ?? ""} role="rowgroup">
              {symbol !== null && (
                <tr role="row" class="group"><th scope="rowgroup" role="rowheader" aria-colspan={9} colSpan={9}>{symbol}</th></tr>
              )}
              {rows.map((row) => <SeriesRow key={row.key} row={row} now={now} isGrouped={symbol !== null} />)}
            </tbody>
          ))}
        </table>
      </div>
      {kept.length === 0 && <p>No series matches the filter.</p>}
      <Withheld manifest={manifest} />
    </>
  );
}

interface FilterProps {
  all: readonly Row[];
  filter: Filter;
  set: (change: Record<string, string>) => void;
}

function Filters({ all, filter, set }: FilterProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", slash);
    return () => document.removeEventListener("keydown", slash);
  }, []);
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Filter</span>
        <input ref={input} type="search" placeholder="BTC 1h" value={filter.text} aria-keyshortcuts="/"
          onInput={(event) => set({ q: event.currentTarget.value })} />
      </label>
      <label>
        <span>Timeframe</span>
        <select value={filter.timeframe} onChange={(event) => set({ tf: event.currentTarget.value })}>
          <option value="">All</option>
          {timeframesOf(all).map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      </label>
      <div class="chips" role="group" aria-label="Status">
        {FEW.map(([status, name]) => (
          <button key={status} type="button" aria-pressed={filter.status === status} onClick={() => set({ status })}>
            {name} <span class="chip-count">{filtered(all, { text: "", timeframe: "", status }).length}</span>
          </button>
        ))}
      </div>
    </form>
  );
}

function bySymbol(rows: readonly Row[]): { symbol: string | null; rows: Row[] }[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.entry.symbol);
    if (group) group.push(row);
    else groups.set(row.entry.symbol, [row]);
  }
  return [...groups].map(([symbol, of]) => ({ symbol, rows: of }));
}

function sortIn(query: URLSearchParams): Sort | null {
  const text = query.get("sort") ?? "";
  const column = COLUMNS.find((each) => each.sort === text.replace("-", ""))?.sort;
  return column ? { column, descending: text.startsWith("-") } : null;
}

/** Upwards, downwards, then by symbol again. */
function nextSort(column: SortColumn, sort: Sort | null): string {
  if (sort?.column !== column) return column;
  return sort.descending ? "" : `-${column}`;
}

function ariaSort(column: SortColumn | undefined, sort: Sort | null): "ascending" | "descending" | "none" | undefined {
  if (column === undefined) return undefined;
  if (sort?.column !== column) return "none";
  return sort.descending ? "descending" : "ascending";
}

/** Arrow keys go from row to row. */
function moveFocus(event: KeyboardEvent, table: HTMLTableElement): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...table.querySelectorAll<HTMLAnchorElement>("tbody a.series")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  const next = links[event.key === "ArrowDown" ? at + 1 : Math.max(0, at - 1)];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
