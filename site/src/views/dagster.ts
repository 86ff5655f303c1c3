/** Addresses in Dagster's web UI, where the manifest names one. */

import type { Manifest } from "../data/types";

/** Null without an address, and for anything but http and https. */
export function dagsterHref(manifest: Manifest, path = ""): string | null {
  try {
    const base = new URL(manifest.ops.dagster_url ?? "");
    if (base.protocol !== "http:" && base.protocol !== "https:") return null;
    return `${base.origin}${base.pathname.replace(/\/$/, "")}/${path}`;
  } catch {
    return null;
  }
}
