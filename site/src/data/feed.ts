/** The state of the page: the last manifest, and what went wrong since. Polls every minute. */

import { fetchManifest } from "./fetching";
import { asProblem, type Problem } from "./problems";
import type { Manifest } from "./types";

export interface FeedState {
  /** The last manifest that was read; it stays when the server goes away. */
  manifest: Manifest | null;
  /** When that was, by the reader's clock. */
  readAt: number | null;
  /** Why the newest attempt failed; null if it did not. */
  problem: Problem | null;
  /** The first failed attempt since the last good one. */
  failingSince: number | null;
  isReading: boolean;
}

const EVERY = 60_000;

export class Feed {
  state: FeedState = { manifest: null, readAt: null, problem: null, failingSince: null, isReading: false };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private listeners = new Set<() => void>();
  private running: Promise<void> | null = null;

  /** Start polling; a page that becomes visible, or online, reads at once if its state is old. */
  start(): void {
    void this.read();
    const wake = () => {
      const age = Date.now() - (this.state.readAt ?? 0);
      if (document.visibilityState === "visible" && age > EVERY / 2) void this.read();
    };
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", wake);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Read the manifest now; calls at the same time share one request. */
  read(): Promise<void> {
    this.running ??= this.readOnce().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async readOnce(): Promise<void> {
    clearTimeout(this.timer);
    this.set({ isReading: true });
    try {
      const manifest = await fetchManifest();
      this.set({ manifest, readAt: Date.now(), problem: null, failingSince: null, isReading: false });
    } catch (error) {
      const problem = asProblem(error);
      // Nothing of an unknown version, or of a damaged manifest, may be shown as if it were current.
      const kept = problem.kind === "unknown_version" ? { manifest: null } : {};
      const failingSince = this.state.failingSince ?? Date.now();
      this.set({ ...kept, problem, failingSince, isReading: false });
    }
    this.timer = setTimeout(() => void this.read(), EVERY);
  }

  private set(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    this.listeners.forEach((listener) => listener());
  }
}
