/** Whether the manifest itself is old, and whether the reader's clock can be right. */

import type { Manifest } from "../data/types";

// Clocks of people's devices differ by seconds; by more than this, ages would be wrong.
const CLOCK_TOLERANCE = 120_000;

export interface ManifestAge {
  ageMs: number;
  /** Age that it should never reach while the platform works. */
  limitMs: number | null;
  isOld: boolean;
  /** How far the reader's clock is behind the platform's; 0 if it is not. */
  clockBehindMs: number;
}

/**
 * The series that is renewed most often sets the limit: its data would be stale by then, and every
 * publication rewrites the manifest.
 */
export function manifestAge(manifest: Manifest, now: number): ManifestAge {
  const ageMs = now - Date.parse(manifest.generated_at);
  const limits = manifest.ops.entries
    .filter((entry) => entry.visibility === "public" && entry.soft_minutes > 0)
    .map((entry) => entry.soft_minutes * 60_000);
  const limitMs = limits.length > 0 ? Math.min(...limits) : null;
  return {
    ageMs,
    limitMs,
    isOld: limitMs !== null && ageMs > limitMs,
    clockBehindMs: ageMs < -CLOCK_TOLERANCE ? -ageMs : 0,
  };
}
