/** Requests of the manifest and of the files that it lists. Names are relative to the page. */

import { checkedManifest } from "./checks";
import { Problem } from "./problems";
import { sha256 } from "./sha256";
import { readShards, shardFolders } from "./shards";
import type { FileRef, Manifest } from "./types";

const SECONDS = 20;

/**
 * The manifest as the server has it, or those of all shards in one. Not even a cached copy that the server calls unmodified: many
 * servers compare whole seconds, and the manifest can change twice in one.
 *
 * Throws a `Problem`.
 */
export async function fetchManifest(): Promise<Manifest> {
  const read = async (name: string) => parsed(await bytesOf(name, "no-store"), name);
  const root = await read("manifest.json");
  const folders = shardFolders(root);
  return folders ? readShards(folders, async (name) => checkedManifest(await read(name))) : checkedManifest(root);
}

/**
 * The document behind a reference: the immutable object, or the fixed name where the manifest
 * has no object. The bytes must have the hash that the manifest states.
 *
 * Throws a `Problem`: `absent` and `damaged` may mean that the manifest is about to change.
 */
export async function fetchFile(reference: FileRef): Promise<unknown> {
  const name = reference.object ?? reference.file;
  let bytes = await bytesOf(name, reference.object ? "default" : "no-cache");
  if ((await sha256(bytes)) !== reference.sha256) {
    bytes = await bytesOf(name, "reload"); // past a cache that kept other bytes
    if ((await sha256(bytes)) !== reference.sha256) {
      throw new Problem("damaged", `${name} is not the file that the manifest lists: its SHA-256 differs.`);
    }
  }
  return parsed(bytes, name);
}

async function bytesOf(name: string, cache: RequestCache): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(name, { cache, credentials: "same-origin", signal: AbortSignal.timeout(1000 * SECONDS) });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new Problem("unreachable", `The server did not answer when ${name} was requested.`);
  }
  if (response.status === 404 || response.status === 410) {
    throw new Problem("absent", `${name} is not on the server (HTTP ${response.status}).`);
  }
  throw new Problem("unreachable", `The server answered HTTP ${response.status} when ${name} was requested.`);
}

function parsed(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Problem("damaged", `${name} is not JSON.`);
  }
}
