/** Small parts that several views use. */

import type { ComponentChildren } from "preact";
import { ago, local, utc } from "../rules/format";
import { STATUS_WORDS, type Serving, type Status } from "../rules/serving";

const TONES: Record<Status, string> = {
  fresh: "fresh",
  stale: "stale",
  hard_stale: "refused",
  corrupt: "refused",
  missing: "absent",
  insufficient_data: "absent",
  unknown: "refused",
};

/** A status as word and sign; colour only repeats it. */
export function StatusBadge({ status }: { status: Status }) {
  return (
    <span class={`badge ${TONES[status]}`}>
      <span class={`dot ${TONES[status]}`} aria-hidden="true" />
      {STATUS_WORDS[status]}
    </span>
  );
}

/** A time in UTC, and in the reader's zone. */
export function Time({ of, both = false }: { of: string; both?: boolean }) {
  return (
    <time dateTime={of} title={`${local(of)} local time`}>
      {utc(of)}
      {both && <> UTC <span class="local muted">({local(of)} local)</span></>}
    </time>
  );
}

export function Ago({ of, now }: { of: string | null; now: number }) {
  return of === null ? <>–</> : <time dateTime={of} title={`${utc(of)} UTC, ${local(of)} local`}>{ago(of, now)}</time>;
}

/** Names and values in two columns. */
export function Facts({ children, class: name = "" }: { children: ComponentChildren; class?: string }) {
  return <dl class={`facts ${name}`}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Why a series is not shown, in place of its numbers. */
export function Refusal({ serving }: { serving: Serving }) {
  return (
    <section class="refusal">
      <h2>Not shown: {STATUS_WORDS[serving.status].toLowerCase()}</h2>
      <p>{sentence(serving.why ?? "")}</p>
      <p class="muted">No price and no forecast of this series is shown until the platform publishes data that may be served.</p>
    </section>
  );
}

export function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

interface TableProps {
  caption: string;
  head: ComponentChildren[];
  children: ComponentChildren;
  class?: string;
  hideCaption?: boolean;
  /** Columns of text in a table of numbers. */
  textColumns?: number[];
}

/** A table that scrolls sideways in a narrow window; the scroll box can be focused, for the keyboard. */
export function Table({ caption, head, children, class: name = "", hideCaption = false, textColumns = [] }: TableProps) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class={name}>
        <caption class={hideCaption ? "visually-hidden" : ""}>{caption}</caption>
        <thead>
          <tr>{head.map((each, at) => <th key={at} scope="col" class={textColumns.includes(at) ? "text" : undefined}>{each}</th>)}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
