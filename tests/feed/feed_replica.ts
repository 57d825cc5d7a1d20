/**
 * A replica that serves its feed on a port of its own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Hono } from "hono";
import { StreamCutError } from "../../src/base/stream_cut_error.ts";
import type { PublicFeedOptions } from "../../src/feed/public_feed.ts";
import { Feeds } from "../../src/feed/routes.ts";
import type { Clock } from "../../src/base/clock.ts";
import { startReplica, type TestReplica, type TestReplicaOptions } from "../support/replicas.ts";

/** A running replica with its feed. */
export interface FeedReplica extends AsyncDisposable {
  readonly replica: TestReplica;
  readonly feeds: Feeds;
  /** What the next one replicates from. */
  readonly url: string;
  readonly port: number;
  /** Path and query of each request so far. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

/** Options of {@linkcode startFeed}. */
export interface FeedReplicaOptions extends TestReplicaOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly feedClock?: Clock;
  /** That caches may keep its answers. */
  readonly caches?: PublicFeedOptions;
}

/** Serves the feed of a replica that runs. */
export function serveFeed(
  replica: TestReplica,
  port = 0,
  clock?: Clock,
  caches?: PublicFeedOptions,
) {
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  const feeds = new Feeds(replica.replicator, {
    ...(clock === undefined ? {} : { clock }),
    ...(caches === undefined ? {} : { public: caches }),
  });
  feeds.mount(app);
  const abort = new AbortController();
  /** Path and query of each. */
  const requests: string[] = [];
  /** Answers that broke by themselves. */
  const broken: unknown[] = [];
  const server = Deno.serve({
    port,
    hostname: "127.0.0.1",
    signal: abort.signal,
    onListen: () => {},
    onError: (error) => {
      if (!(error instanceof StreamCutError)) broken.push(error);
      return new Response(null, { status: 500 });
    },
  }, (request) => {
    requests.push(request.url.slice(request.url.indexOf("/feed/")));
    return app.fetch(request);
  });
  return {
    feeds,
    requests,
    app,
    port: server.addr.port,
    async stop() {
      feeds.close();
      abort.abort();
      await server.finished;
      await feeds[Symbol.asyncDispose]();
      assert.deepEqual(broken, []);
    },
  };
}

/** Starts a replica of `url` that serves its feed. */
export async function startFeed(url: string, options: FeedReplicaOptions): Promise<FeedReplica> {
  const { port = 0, feedClock, caches, ...rest } = options;
  const replica = await startReplica(url, { feed: true, ...rest });
  const server = serveFeed(replica, port, feedClock, caches);
  const stop = async () => {
    await server.stop();
    await replica.stop();
  };
  return {
    replica,
    feeds: server.feeds,
    port: server.port,
    requests: server.requests,
    url: `http://127.0.0.1:${server.port}/feed/${replica.status.table}`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
