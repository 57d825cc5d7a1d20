import assert from "node:assert/strict";
import fc from "fast-check";
import { createApp } from "../../src/http/app.ts";
import { systemClock } from "../../src/base/clock.ts";
import { encodeEvent, EventStreams } from "../../src/http/sse.ts";
import { HandClock } from "../support/clock.ts";
import { ask, EventReader } from "./request.ts";
import { StandIn } from "./stand_in.ts";

Deno.test("no text can start a field or an event of its own", () => {
  const text = fc.string({
    unit: fc.constantFrom("\n", "\r", "\0", ":", " ", "a", "data", "event: x"),
  });
  fc.assert(fc.property(text, text, text, (event, id, data) => {
    const sent = new TextDecoder().decode(encodeEvent({ event, id, data }));
    assert(sent.endsWith("\n\n"));
    const lines = sent.slice(0, -2).split("\n");
    assert(!sent.includes("\r") && !sent.slice(0, -2).includes("\n\n"));
    const [first, second, ...rest] = lines;
    assert(first?.startsWith("event: ") && second?.startsWith("id: "));
    assert(rest.every((line) => line.startsWith("data: ")));
    assert.equal(rest.map((line) => line.slice(6)).join("\n"), data.replace(/\r\n|\r/g, "\n"));
  }));
});

Deno.test("a snapshot comes at once, then only when something changed, twice a second at most", async () => {
  await using host = await StandIn.open("servers");
  const clock = new HandClock();
  const app = createApp(host, { clock });
  const answer = await ask(app, "/events");
  assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
  await using events = new EventReader(answer);
  const first = await events.next();
  assert.equal(first?.event, "status");
  assert.equal(JSON.parse(first?.data ?? "").tables[0].state, "live");

  // An age that grows is no change; what is left for the reader is the change after it.
  host.table("servers").set({ ageSeconds: 3 });
  await clock.advance(5000);
  host.table("servers").set({ rows: 1 });
  host.table("servers").set({ rows: 2 });
  await clock.advance(500);
  const second = await events.next();
  assert.equal(JSON.parse(second?.data ?? "").tables[0].rows, 2);
  app.close();
  assert.equal(await events.next(), null);
});

Deno.test("a quiet stream gets a sign of life every 15 seconds", async () => {
  await using host = await StandIn.open("servers");
  const clock = new HandClock();
  const app = createApp(host, { clock });
  await using events = new EventReader(await ask(app, "/events"));
  await events.next();
  await clock.advance(45_000);
  app.close();
  assert.equal(await events.next(), null);
  assert.equal(events.comments, 3);
});

Deno.test("all readers share one look at the process and one encoding", async () => {
  await using host = await StandIn.open("servers");
  const clock = new HandClock();
  let looks = 0;
  const app = createApp({
    tables: host.tables,
    status: () => {
      looks++;
      return host.status();
    },
  }, { clock });
  const readers = [];
  for (let i = 0; i < 200; i++) readers.push(new EventReader(await ask(app, "/events")));
  const before = looks;
  host.table("servers").set({ rows: 5 });
  await clock.advance(500);
  assert(looks - before <= 2, `${looks - before} looks for 200 readers`);
  for (const reader of readers) {
    await reader.next();
    assert.equal(JSON.parse((await reader.next())?.data ?? "").tables[0].rows, 5);
    await reader[Symbol.asyncDispose]();
  }
  assert.equal(app.openStreams, 0);
  const idle = looks;
  await clock.advance(10_000);
  assert.equal(looks, idle, "nobody listens, so nobody looks");
});

Deno.test("the page's stream carries the page, and new points of the charts", async () => {
  await using host = await StandIn.open("servers");
  const clock = new HandClock();
  const app = createApp(host, { clock });
  await using events = new EventReader(await ask(app, "/events/page"));
  const page = await events.next();
  assert.equal(page?.event, "page");
  assert.match(page?.data ?? "", /^<main id="main"/);
  host.table("servers").points.push({
    time: 7,
    recordsPerSecond: 5,
    commitMs: null,
    commitMsP99: null,
  });
  await clock.advance(500);
  const samples = await events.next();
  assert.equal(samples?.event, "samples");
  assert.deepEqual(JSON.parse(samples?.data ?? ""), { servers: [[7, 5, null, null]] });
  assert.deepEqual(await (await ask(app, "/samples")).json(), { servers: [[7, 5, null, null]] });
  app.close();
});

Deno.test("streams beyond the limit are refused with 503, and a place is free again", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host, { maxStreams: 2 });
  const open = async () => await ask(app, "/events");
  const one = new EventReader(await open());
  await using _two = new EventReader(await open());
  const refused = await open();
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "5");
  await refused.body?.cancel();
  await one[Symbol.asyncDispose]();
  await using three = new EventReader(await open());
  assert.equal((await three.next())?.event, "status");
  app.close();
  assert.equal(new EventStreams(systemClock, 0).add(() => {}), null);
});
