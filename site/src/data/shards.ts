/** The manifests of shards in one. A root manifest, version 3, lists them (docs/contract/README.md). */

import { asProblem, Problem } from "./problems";
import type { FileRef, Manifest, Outage, PublicEntry } from "./types";

const ROOT_VERSION = 3;
const LISTED = /^(shard=\d+)\/manifest\.json$/;

/** Where the archive of a series is, and the folder that its names are relative to. */
interface ArchivePlace {
  archive: FileRef | null;
  folder: string;
}

// Beside the documents, so that no document can claim to be of another place.
const places = new WeakMap<PublicEntry, ArchivePlace>();
const unread = new WeakMap<Manifest, string[]>();

/** The list of the archive that has the files of a series: of its shard, if there are shards. */
export function archiveOf(manifest: Manifest, entry: PublicEntry): ArchivePlace {
  return places.get(entry) ?? { archive: manifest.archive ?? null, folder: "" };
}

/** Why manifests of shards could not be read; their series are left out. */
export function unreadOf(manifest: Manifest): string[] {
  return unread.get(manifest) ?? [];
}

/** Folders of the shards that a root manifest lists; null for another document. Throws a `Problem`. */
export function shardFolders(value: unknown): string[] | null {
  const root = (typeof value === "object" ? value : null) as { version?: unknown; shards?: unknown } | null;
  if (root?.version !== ROOT_VERSION || root.shards === undefined) return null;
  const listed = Array.isArray(root.shards) ? root.shards : [];
  const folders = listed.map((each) => LISTED.exec(String(each?.manifest))?.[1]);
  if (folders.length === 0 || folders.includes(undefined)) {
    throw new Problem("damaged", "The root manifest lists no manifests of shards.");
  }
  return folders as string[];
}

/**
 * What all shards list. One that cannot be read hides its own series alone; `unreadOf` names it.
 *
 * Throws the `Problem` of the first if none can be read.
 */
export async function readShards(folders: string[], read: (name: string) => Promise<Manifest>): Promise<Manifest> {
  const results = await Promise.allSettled(folders.map((folder) => read(`${folder}/manifest.json`)));
  const manifests: Manifest[] = [];
  const reasons: string[] = [];
  results.forEach((result, place) => {
    if (result.status === "fulfilled") manifests.push(below(folders[place]!, result.value));
    else reasons.push(asProblem(result.reason).message);
  });
  if (manifests.length === 0) throw asProblem((results[0] as PromiseRejectedResult).reason);
  const all = merged(manifests);
  unread.set(all, reasons);
  return all;
}

/** All in one. Of a series that moves between shards, and is in two, the newer manifest's entry counts. */
function merged(manifests: Manifest[]): Manifest {
  const ordered = [...manifests].sort((a, b) => a.generated_at.localeCompare(b.generated_at));
  const entries = byName(ordered.flatMap((each) => each.public.entries));
  return {
    ...ordered[0]!, // the oldest: its age is that of the whole
    public: { symbols: [...new Set(entries.map((each) => each.symbol))], entries },
    ops: {
      ...ordered[0]!.ops,
      entries: byName(ordered.flatMap((each) => each.ops.entries)),
      outages: mergedOutages(ordered.flatMap((each) => each.ops.outages)),
    },
  };
}

function byName<T extends { symbol: string; timeframe: string }>(entries: T[]): T[] {
  return [...new Map(entries.map((each) => [`${each.symbol} ${each.timeframe}`, each])).values()];
}

function mergedOutages(outages: Outage[]): Outage[] {
  const found = new Map<string, Outage>();
  for (const each of outages) {
    const name = `${each.timeframe} ${each.start} ${each.end}`;
    const symbols = [...(found.get(name)?.symbols ?? []), ...each.symbols];
    found.set(name, { ...each, symbols: [...new Set(symbols)] });
  }
  return [...found.values()].sort((a, b) => b.start.localeCompare(a.start));
}

/** The same manifest with names as seen from above `folder`. */
function below(folder: string, manifest: Manifest): Manifest {
  const moved = (reference: FileRef | null | undefined): FileRef | null =>
    reference
      ? { ...reference, file: `${folder}/${reference.file}`, ...(reference.object ? { object: `${folder}/${reference.object}` } : {}) }
      : null;
  const place = { archive: moved(manifest.archive), folder: `${folder}/` };
  const entries = manifest.public.entries.map((entry): PublicEntry => {
    const seen = {
      ...entry, history: moved(entry.history), prediction: moved(entry.prediction), evaluation: moved(entry.evaluation),
    };
    places.set(seen, place);
    return seen;
  });
  return { ...manifest, archive: null, public: { ...manifest.public, entries } };
}
