/** What a view of one or of all series gets. */

import type { Feed, FeedState } from "../data/feed";
import type { Manifest } from "../data/types";
import type { Route } from "../rules/routes";

export interface ViewProps {
  manifest: Manifest;
  feed: Feed;
  state: FeedState;
  route: Route;
  now: number;
}
