/** Documents by their hash: a file that was read once is not requested again while it is listed. */

import { fetchFile } from "./fetching";
import type { FileRef } from "./types";

const KEPT = 24;
const documents = new Map<string, Promise<unknown>>();

/** The document of a reference. Failures are not remembered. */
export function documentOf(reference: FileRef): Promise<unknown> {
  const known = documents.get(reference.sha256);
  if (known) return known;
  const reading = fetchFile(reference);
  documents.set(reference.sha256, reading);
  reading.catch(() => documents.delete(reference.sha256));
  for (const oldest of documents.keys()) {
    if (documents.size <= KEPT) break;
    documents.delete(oldest);
  }
  return reading;
}
