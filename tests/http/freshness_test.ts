import assert from "node:assert/strict";
import { Feeds } from "../../src/feed/routes.ts";
import { startStatusServer, type StatusServerOptions } from "../../src/http/server.ts";
import { TableMetrics } from "../../src/replica/metrics.ts";
import { HandClock, SteppingClock } from "../support/clock.ts";
import { FastClock } from "../support/fast_clock.ts";
import { endless, MisbehavingOrigin } from "../support/misbehaving_origin.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica, type TestReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const HOUR_MS = 3_600_000;

/** The status server of a replica. */
async function serve(replica: TestReplica, options: Partial<StatusServerOptions> = {}) {
  const server = await startStatusServer(replica.replicator, {
    address: "127.0.0.1:0",
    explicit: true,
    ...options,
  });
  const get = async (path: string) => {
    const response = await fetch(new URL(path, server.url));
    return [response.status, await response.text()] as const;
  };
  return { server, get, [Symbol.asyncDispose]: () => server.close() };
}

Deno.test("a copy that was complete once is ready, also after a restart with the origin down", async () => {
  const origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const options = { kv: store.path, clock: new FastClock(20) };
  {
    await using replica = await startReplica(origin.url, options);
    await using http = await serve(replica);
    await replica.live();
    assert.equal((await http.get("/readyz"))[0], 200);
    await origin[Symbol.asyncDispose]();
    await replica.until(({ live }) => !live, "the origin is down");
    const [code, text] = await http.get("/readyz");
    assert.equal(code, 200);
    assert.match(text, /^ready\nservers: serving, .* old; waiting: /);
    assert.match((await http.get("/metrics"))[1], /lockstep_live\{table="servers"\} 0\n/);
  }
  await using replica = await startReplica(origin.url, options);
  await using http = await serve(replica);
  assert.equal((await http.get("/readyz"))[0], 200, "at the first probe");
  assert.equal(replica.status.live, false);
  assert.equal((await http.get("/tables/servers/records/1"))[0], 200);
});

Deno.test("a first fill is not ready before it is complete, nor after a restart in its middle", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(
    endless(['{"id":1,"updated_at":1,"deleted_at":null}\n']),
  );
  for (let start = 0; start < 2; start++) {
    // Its clock stands still: nothing is quiet for long enough to be complete.
    const clock = new HandClock();
    await using replica = await startReplica(origin.url, { kv: store.path, clock });
    await using http = await serve(replica);
    await replica.until(({ bytes }) => bytes > 0, "it reads");
    const [code, text] = await http.get("/readyz");
    assert.equal(code, 503);
    assert.match(text, /servers: not complete yet; catching-up/);
  }
});

Deno.test("a table whose loop has ended is not ready, though it was complete", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using replica = await startReplica(origin.url, { kv: ":memory:" });
  await using http = await serve(replica);
  await replica.live();
  await replica.stop();
  const [code, text] = await http.get("/readyz");
  assert.equal(code, 503);
  assert.match(text, /servers: not being written; stopped/);
});

Deno.test("a copy older than --expire is refused to readers until its origin is heard of again", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const clock = new SteppingClock();
  await using replica = await startReplica(origin.url, {
    kv: ":memory:",
    clock,
    feed: true,
    expireMs: HOUR_MS,
  });
  const feeds = new Feeds(replica.replicator, { clock });
  await using http = await serve(replica, { clock, mount: (app) => feeds.mount(app) });
  await replica.live();
  const reads = [
    "/tables/servers",
    "/tables/servers/records",
    "/tables/servers/records/1",
    "/feed/servers/0?finite=1",
  ];
  for (const path of reads) assert.equal((await http.get(path))[0], 200, path);
  clock.stepWall(HOUR_MS + 1000);
  for (const path of reads) {
    const [code, text] = await http.get(path);
    assert.equal(code, 503, path);
    assert.match(text, /expired/);
  }
  assert.match((await http.get("/readyz"))[1], /servers: expired: 1h/);
  assert.equal((await http.get("/status"))[0], 200);
  origin.table.put({ id: 2 });
  await replica.reached(1001);
  for (const path of reads) assert.equal((await http.get(path))[0], 200, path);
  feeds.close();
});

Deno.test("the charts go on after the wall clock was set back", async () => {
  const clock = new HandClock();
  const metrics = new TableMetrics(clock);
  const sample = async (seconds: number) => {
    for (let at = 0; at < seconds; at += 5) {
      await clock.advance(5_000);
      metrics.sample();
    }
  };
  await sample(60);
  clock.stepWall(-30_000);
  await sample(10);
  const times = metrics.samples.map(({ time }) => time);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.equal(new Set(times).size, times.length);
  assert.equal(times.at(-1), clock.now());
});

Deno.test("a machine that was paused is stale until its origin is heard of again", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const clock = new SteppingClock();
  await using replica = await startReplica(origin.url, { kv: ":memory:", clock });
  const server = await startStatusServer(replica.replicator, {
    address: "127.0.0.1:0",
    explicit: true,
    maxStalenessMs: 30_000,
    clock,
  });
  await using _ = { [Symbol.asyncDispose]: () => server.close() };
  await replica.live();
  const readyz = async () => {
    const response = await fetch(new URL("/readyz", server.url));
    return [response.status, await response.text()] as const;
  };
  assert.equal((await readyz())[0], 200);
  clock.stepWall(HOUR_MS);
  const [code, text] = await readyz();
  assert.equal(code, 503);
  assert.match(text, /stale: last contact 360\d\.\d s ago/);
  // A record is a word of the origin's.
  origin.table.put({ id: 2 });
  await replica.reached(1001);
  assert.equal((await readyz())[0], 200);
  // Set back, the clock makes nothing fresher, and nothing staler either.
  clock.stepWall(-2 * HOUR_MS);
  const { ageSeconds, lastContact } = replica.status;
  assert.ok(ageSeconds !== null && ageSeconds >= 0 && ageSeconds < 30);
  assert.ok(lastContact !== null && Date.parse(lastContact) <= clock.now());
});
