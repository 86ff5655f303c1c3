/** Hooks: the clock, the address, the feed, files, the width of an element, the colour scheme. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ArchiveIndex } from "../data/archive";
import { checkedArchive, checkedEvaluation, checkedHistory, checkedPrediction } from "../data/checks";
import type { Evaluation } from "../data/evaluation";
import type { Feed, FeedState } from "../data/feed";
import { documentOf } from "../data/files";
import { asProblem, type Problem } from "../data/problems";
import type { FileRef, History, Prediction, PublicEntry } from "../data/types";
import { parseRoute, type Route } from "../rules/routes";

/** Milliseconds since 1970, renewed every second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function useFeed(feed: Feed): FeedState {
  const [state, setState] = useState(feed.state);
  useEffect(() => {
    setState(feed.state); // it may have changed since the first rendering
    return feed.subscribe(() => setState(feed.state));
  }, [feed]);
  return state;
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return parseRoute(hash);
}

export interface FileState<T> {
  document: T | null;
  problem: Problem | null;
}

interface Kinds {
  history: History;
  prediction: Prediction;
  evaluation: Evaluation;
}
const CHECKS = { history: checkedHistory, prediction: checkedPrediction, evaluation: checkedEvaluation };

/**
 * A file of an entry, read again when the manifest lists another one. Until that is there the last
 * one of the same series stays; a file that is not the listed one is never shown.
 *
 * @param attempt changes when a failed request is to be repeated
 */
export function useFile<K extends keyof Kinds>(
  kind: K,
  entry: PublicEntry | null,
  feed: Feed,
  attempt: unknown,
): FileState<Kinds[K]> {
  const of = entry ? `${entry.symbol} ${entry.timeframe}` : "";
  return useReference(of, entry?.[kind] ?? null, (value) => CHECKS[kind](value, entry!) as Kinds[K], feed, attempt);
}

/** The list of the archive, as `useFile`. */
export function useArchive(reference: FileRef | null, feed: Feed, attempt: unknown): FileState<ArchiveIndex> {
  return useReference("archive", reference, checkedArchive, feed, attempt);
}

/** @param of what the file is about: a file about something else does not stay */
function useReference<T>(
  of: string,
  reference: FileRef | null,
  checked: (value: unknown) => T,
  feed: Feed,
  attempt: unknown,
): FileState<T> {
  const [state, setState] = useState<FileState<T> & { of: string }>({ document: null, problem: null, of: "" });
  const failed = state.of === of && state.problem !== null;
  useEffect(() => {
    if (!reference) return;
    let isCurrent = true;
    documentOf(reference).then(
      (value) => isCurrent && setState({ of, problem: null, document: checked(value) }),
    ).catch((error: unknown) => {
      if (!isCurrent) return;
      const problem = asProblem(error);
      setState((before) => {
        const keeps = before.of === of && problem.kind === "unreachable";
        return { of, problem, document: keeps ? before.document : null };
      });
      // The manifest may have changed while the file was requested.
      if (!failed && problem.kind !== "unreachable") void feed.read();
    });
    return () => {
      isCurrent = false;
    };
  }, [of, reference?.sha256, reference?.object, failed ? attempt : null]);
  return reference && state.of === of ? state : { document: null, problem: null };
}

/** Width of the element that gets the returned ref, in pixels; 0 until it is known. */
export function useWidth<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!ref.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
}

export function useIsDark(): boolean {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [isDark, setIsDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setIsDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return isDark;
}
