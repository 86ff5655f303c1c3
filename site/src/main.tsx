/** Start of the page. */

import { render } from "preact";
import { Feed } from "./data/feed";
import { Boundary } from "./ui/boundary";
import { useFeed, useNow, useRoute } from "./ui/hooks";
import { Heading, Layout } from "./ui/layout";
import { Overview } from "./views/overview";
import { Quality } from "./views/quality";
import { SeriesView } from "./views/series";
import { StatusView } from "./views/status";

const feed = new Feed();

function Page() {
  const now = useNow();
  const state = useFeed(feed);
  const route = useRoute();
  const { manifest } = state;
  const of = { feed, state, route, now };
  return (
    <Layout {...of}>
      {!manifest ? <Waiting isFailed={state.problem !== null} /> : (
        <Boundary key={`${route.view} ${route.symbol} ${route.timeframe}`}>
          {route.view === "series" ? <SeriesView manifest={manifest} {...of} />
            : route.view === "quality" ? <Quality manifest={manifest} {...of} />
            : route.view === "status" ? <StatusView manifest={manifest} state={state} now={now} />
            : <Overview manifest={manifest} route={route} now={now} />}
        </Boundary>
      )}
    </Layout>
  );
}

function Waiting({ isFailed }: { isFailed: boolean }) {
  return isFailed ? <Heading title="Nothing to show">Nothing to show</Heading> : <p class="muted">Reading the manifest…</p>;
}

feed.start();
render(<Page />, document.getElementById("page")!);
