/** The frame around every view: navigation, state of the connection, banners, footer. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Feed, FeedState } from "../data/feed";
import { unreadOf } from "../data/shards";
import { duration, utc, zone } from "../rules/format";
import { manifestAge } from "../rules/manifest_age";
import { hrefOf, type Route, type View } from "../rules/routes";

const LINKS: [View, string][] = [["overview", "Overview"], ["quality", "Quality"], ["status", "Status"]];

interface Props {
  feed: Feed;
  state: FeedState;
  route: Route;
  now: number;
  children: ComponentChildren;
}

export function Layout({ feed, state, route, now, children }: Props) {
  const main = useRef<HTMLElement>(null);
  const toMain = (event: Event) => {
    event.preventDefault(); // the address names the view
    main.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={toMain}>Skip to content</a>
      <header class="top">
        <div class="top-inner">
          <a class="brand" href={hrefOf("overview")}>Price forecasts</a>
          <nav aria-label="Views">
            {LINKS.map(([view, name]) => (
              <a key={view} href={hrefOf(view)} aria-current={isIn(view, route) ? "page" : undefined}>{name}</a>
            ))}
          </nav>
          <Connection feed={feed} state={state} now={now} />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Banners state={state} now={now} />
        {children}
      </main>
      <Footer />
    </>
  );
}

function isIn(view: View, route: Route): boolean {
  return view === route.view || (view === "overview" && route.view === "series");
}

function Connection({ feed, state, now }: { feed: Feed; state: FeedState; now: number }) {
  const text = state.readAt === null ? "Not read yet" : `Read ${duration(now - state.readAt)} ago`;
  return (
    <div class="connection">
      <span class={state.problem ? "dot refused" : "dot fresh"} aria-hidden="true" />
      <span class="connection-text">{state.problem ? `${text}; last attempt failed` : text}</span>
      <button type="button" onClick={() => void feed.read()} aria-disabled={state.isReading}>Update</button>
    </div>
  );
}

/** What readers must know before they believe anything below. The region is announced as it changes. */
function Banners({ state, now }: { state: FeedState; now: number }) {
  const { manifest, problem } = state;
  const age = manifest && manifestAge(manifest, now);
  return (
    <div class="banners" role="status">
      {problem && (
        <Banner tone="refused" title={problem.kind === "unreachable" ? "The server does not answer." : "The manifest cannot be used."}>
          {problem.message} {manifest && <LastState state={state} />}
        </Banner>
      )}
      {manifest && unreadOf(manifest).length > 0 && (
        <Banner tone="stale" title="Some series are left out.">{unreadOf(manifest).join(" ")}</Banner>
      )}
      {age?.isOld && (
        <Banner tone="stale" title="The manifest is old.">
          It was written {utc(manifest!.generated_at)} UTC and should never be older than {duration(age.limitMs!)}. The platform
          behind this page may have stopped. Every status below is by your clock.
        </Banner>
      )}
      {age !== null && age.clockBehindMs > 0 && (
        <Banner tone="stale" title="The clock of this device looks wrong.">
          The manifest was written at a time that this clock has not reached. Ages and statuses may be wrong.
        </Banner>
      )}
    </div>
  );
}

function LastState({ state }: { state: FeedState }) {
  return (
    <>
      This page shows what it read last
      {state.readAt !== null && ` (${utc(state.readAt)} UTC)`}; ages go on, and the page tries again every minute.
    </>
  );
}

export function Banner({ tone, title, children }: { tone: string; title: string; children: ComponentChildren }) {
  return (
    <div class={`banner ${tone}`}>
      <strong>{title}</strong> <span>{children}</span>
    </div>
  );
}

function Footer() {
  return (
    <footer class="bottom">
      <p>
        Times are UTC unless a heading says local ({zone()}). Status and age follow the clock of this device. The page reads the
        {" "}<a href="manifest.json">manifest</a> every minute.
      </p>
      <p>
        Charts: <a href="https://www.tradingview.com/" rel="noreferrer">TradingView</a> Lightweight Charts™, copyright © 2026
        TradingView, Inc. <a href="assets/licenses.txt">Licences</a>
      </p>
    </footer>
  );
}

/** The heading of a view; it takes the focus when the reader came from another view. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – Price forecasts`;
  }, [title]);
  useEffect(() => {
    const path = location.hash.split("?")[0]!;
    if (lastPath !== null && path !== lastPath) ref.current?.focus();
    lastPath = path;
  }, [title]);
  return <h1 ref={ref} tabIndex={-1}>{children}</h1>;
}
let lastPath: string | null = null;
