/**
 * Checks of the documents that the page reads. Fields that it does not know are ignored.
 * Each function returns its argument with a type, or throws a `Problem`.
 */

import type { ArchiveIndex } from "./archive";
import type { Evaluation } from "./evaluation";
import { Problem } from "./problems";
import { LEVELS, type History, type Manifest, type Prediction, type PublicEntry } from "./types";

const VERSION = 2;
const EVALUATION_VERSION = 1;
const ARCHIVE_VERSION = 1;
const OBJECT = /^objects\/[0-9a-f]{64}\.json$/;
// Relative names alone: a manifest cannot send the page anywhere else.
const FILE = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./=-]*\.json$/;
const ARCHIVED = /^archive\/(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./=-]*\.parquet$/;

type Json = Record<string, unknown>;

export function checkedManifest(value: unknown): Manifest {
  const manifest = object(value, "the manifest");
  if (manifest.version !== VERSION) {
    const found = JSON.stringify(manifest.version ?? null);
    throw new Problem(
      "unknown_version",
      `The manifest has version ${found}; this page knows version ${VERSION}. Reload the page; if that does not help, it is older than the platform.`,
    );
  }
  time(manifest.generated_at, "generated_at");
  const open = object(manifest.public, "public");
  const ops = object(manifest.ops, "ops");
  for (const each of list(open.entries, "public.entries")) checkEntry(object(each, "a public entry"));
  for (const each of list(ops.entries, "ops.entries")) identity(object(each, "an ops entry"));
  list(ops.outages, "ops.outages");
  if (manifest.archive) checkReference(object(manifest.archive, "archive"));
  return value as Manifest;
}

export function checkedHistory(value: unknown, entry: PublicEntry): History {
  const history = sameSeries(value, entry, "the history file");
  const data = list(history.data, "data");
  if (data.length === 0) throw damaged("the history file has no candles");
  for (const each of data) {
    const candle = object(each, "a candle");
    time(candle.timestamp, "timestamp");
    for (const name of ["open", "high", "low", "close", "volume"]) number(candle[name], name);
  }
  return value as History;
}

export function checkedPrediction(value: unknown, entry: PublicEntry): Prediction {
  const prediction = sameSeries(value, entry, "the prediction file");
  const steps = list(prediction.forecast, "forecast");
  if (steps.length === 0) throw damaged("the prediction file has no steps");
  for (const each of steps) {
    const step = object(each, "a step");
    time(step.timestamp, "timestamp");
    const quantiles = object(step.quantiles, "quantiles");
    for (const level of LEVELS) number(quantiles[level], `quantile ${level}`);
  }
  return value as Prediction;
}

/** The evaluation; members that are absent or of another form are left out. */
export function checkedEvaluation(value: unknown, entry: PublicEntry): Evaluation {
  const found = sameSeries(value, entry, "the evaluation file");
  if ((found.version ?? EVALUATION_VERSION) !== EVALUATION_VERSION) {
    throw new Problem("unknown_version", `The evaluation has version ${JSON.stringify(found.version)}; this page knows version ${EVALUATION_VERSION}.`);
  }
  const lists = ["levels", "by_step", "over_time", "recent", "roles", "challengers"];
  const members = Object.entries(found).filter(([name, each]) => !lists.includes(name) || Array.isArray(each));
  const evaluation = { champion: null, challenger: null, ...Object.fromEntries(members) } as unknown as Evaluation;
  const { challengers } = evaluation;
  return challengers ? { ...evaluation, challengers: challengers.filter(isChallenger) } : evaluation;
}

function isChallenger(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { method, role } = value as Json;
  return typeof method === "string" && typeof role === "string";
}

export function checkedArchive(value: unknown): ArchiveIndex {
  const index = object(value, "the list of the archive");
  if (index.version !== ARCHIVE_VERSION) {
    throw new Problem("unknown_version", `The list of the archive has version ${JSON.stringify(index.version ?? null)}; this page knows version ${ARCHIVE_VERSION}.`);
  }
  for (const each of list(index.files, "files")) {
    const file = object(each, "an archived file");
    identity(file);
    if (typeof file.file !== "string" || !ARCHIVED.test(file.file)) throw damaged(`${JSON.stringify(file.file)} is no archived file`);
    for (const name of ["kind", "month"]) if (typeof file[name] !== "string") throw damaged(`${file.file} has no ${name}`);
    for (const name of ["rows", "bytes"]) number(file[name], name);
  }
  return value as ArchiveIndex;
}

function checkEntry(entry: Json): void {
  identity(entry);
  if (typeof entry.status !== "string") throw damaged("an entry has no status");
  if (typeof entry.serve_allowed !== "boolean") throw damaged("an entry has no serve_allowed");
  for (const name of ["as_of", "stale_at", "hard_stale_at"]) {
    if (entry[name] !== null) time(entry[name], name);
  }
  for (const name of ["history", "prediction", "evaluation"]) {
    const reference = entry[name];
    if (reference !== null && reference !== undefined) checkReference(object(reference, name));
  }
  if (entry.overview) checkOverview(object(entry.overview, "overview"));
}

function checkOverview(overview: Json): void {
  for (const name of ["price", "lower_bound", "upper_bound"]) number(overview[name], name);
  for (const close of list(overview.closes, "closes")) number(close, "a close");
  time(overview.target_time, "target_time");
}

function checkReference(reference: Json): void {
  const { file, object: immutable, sha256 } = reference;
  if (typeof file !== "string" || !FILE.test(file)) throw damaged(`${JSON.stringify(file)} is no file name`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw damaged(`${file} has no sha256`);
  if (immutable === undefined || immutable === null) return;
  if (typeof immutable !== "string" || !OBJECT.test(immutable)) throw damaged(`${file} has no usable object`);
}

function sameSeries(value: unknown, entry: PublicEntry, what: string): Json {
  const found = object(value, what);
  if (found.symbol !== entry.symbol || found.timeframe !== entry.timeframe) {
    throw damaged(`${what} is of another series than the manifest says`);
  }
  time(found.as_of, "as_of");
  return found;
}

function identity(entry: Json): void {
  if (typeof entry.symbol !== "string" || typeof entry.timeframe !== "string") {
    throw damaged("an entry has no symbol or timeframe");
  }
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged(`${what} is no JSON object`);
  return value as Json;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw damaged(`${what} is no list`);
  return value;
}

function number(value: unknown, what: string): void {
  if (typeof value !== "number") throw damaged(`${what} is no number`);
}

function time(value: unknown, what: string): void {
  if (typeof value !== "string" || Number.isNaN(Date.parse(value))) throw damaged(`${what} is no time`);
}

function damaged(text: string): Problem {
  return new Problem("damaged", `${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
}
