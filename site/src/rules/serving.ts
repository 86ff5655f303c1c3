/** Whether a series may be served now. The reader's clock decides, not the word in the manifest. */

import type { PublicEntry } from "../data/types";

export type ServedStatus = "fresh" | "stale";
export type RefusedStatus = "hard_stale" | "missing" | "corrupt" | "insufficient_data" | "unknown";
export type Status = ServedStatus | RefusedStatus;

export interface Serving {
  status: Status;
  served: boolean;
  /** Why it is refused, or the warning to show with it; null for fresh data. */
  why: string | null;
}

const REFUSED: Record<string, string> = {
  hard_stale: "The data is too old to be shown.",
  missing: "The series is not published yet.",
  corrupt: "A published file is damaged.",
  insufficient_data: "There are too few candles for a forecast.",
};

/**
 * @param now milliseconds since 1970, by the reader's clock
 */
export function servingOf(entry: PublicEntry, now: number): Serving {
  const { status } = entry;
  if (status !== "fresh" && status !== "stale") {
    const known = REFUSED[status];
    if (known === undefined) return refused("unknown", `This page does not know the status “${status}”.`);
    return refused(status as RefusedStatus, entry.reason ?? entry.warning ?? known);
  }
  const staleAt = Date.parse(entry.stale_at ?? "");
  const hardStaleAt = Date.parse(entry.hard_stale_at ?? "");
  if (!entry.serve_allowed || Number.isNaN(staleAt) || Number.isNaN(hardStaleAt)) {
    return refused("unknown", entry.warning ?? "The manifest does not allow this series to be shown.");
  }
  if (now > hardStaleAt) {
    return refused("hard_stale", `The data ends ${text(entry.as_of)} and was not to be shown after ${text(entry.hard_stale_at)}.`);
  }
  if (now > staleAt || status === "stale") {
    return { status: "stale", served: true, why: entry.warning ?? `The data ends ${text(entry.as_of)}; newer data was due by ${text(entry.stale_at)}.` };
  }
  return { status: "fresh", served: true, why: null };
}

function refused(status: RefusedStatus, why: string): Serving {
  return { status, served: false, why };
}

function text(time: string | null): string {
  return time ? `${time.slice(0, 10)} ${time.slice(11, 16)} UTC` : "at an unknown time";
}

export const STATUS_WORDS: Record<Status, string> = {
  fresh: "Fresh",
  stale: "Stale",
  hard_stale: "Too old",
  missing: "Missing",
  corrupt: "Damaged",
  insufficient_data: "Too few candles",
  unknown: "Refused",
};

/**
 * Whether a document that was read before is too old to stay on the screen, while the one that the
 * entry lists cannot be read. Its own data time counts, with the limit of the entry.
 */
export function isTooOld(asOf: string, entry: PublicEntry, now: number): boolean {
  const limit = Date.parse(entry.hard_stale_at ?? "") - Date.parse(entry.as_of ?? "");
  return !(now - Date.parse(asOf) <= limit);
}
