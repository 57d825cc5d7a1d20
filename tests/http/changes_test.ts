import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { parsePlace } from "../../src/http/changes.ts";
import { HandClock } from "../support/clock.ts";
import { ask, EventReader, type SeenEvent } from "./request.ts";
import { StandIn } from "./stand_in.ts";

const PATH = "/tables/servers/changes";

function row(id: number, order: number) {
  return { key: [id], order, value: { id, updated_at: order } };
}

async function take(events: EventReader, count: number): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = [];
  while (seen.length < count) {
    const event = await events.next();
    if (event === null) break;
    seen.push(event);
  }
  return seen;
}

/** Ids and orders, short. */
function brief(events: SeenEvent[]): string[] {
  return events.map(({ event, data }) => {
    const { key, order } = JSON.parse(data);
    return key === undefined ? event : `${event} ${key[0]}@${order}`;
  });
}

Deno.test("changes come as they commit, with the cursor as their id, integers exact", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const app = createApp(host, { clock: new HandClock() });
  await using events = new EventReader(await ask(app, PATH));
  assert.equal((await events.next())?.event, "cursor");
  await table.put(row(1, 10), { key: [2n ** 60n], order: 11, value: { big: 2n ** 60n } });
  const [first, second] = await take(events, 2);
  assert.equal(first?.data, '{"kind":"put","key":[1],"order":10,"value":{"id":1,"updated_at":10}}');
  assert.equal(first?.id, null);
  assert.equal(
    second?.data,
    '{"kind":"put","key":[1152921504606846976],"order":11,"value":{"big":1152921504606846976}}',
  );
  assert.match(second?.id ?? "", /^11;/);
  await table.delete([1], {
    order: 12,
    deletedAt: 12,
    value: { id: 1, updated_at: 12, deleted_at: 12 },
    expiresAt: 0,
  });
  assert.deepEqual(brief(await take(events, 1)), ["delete 1@12"]);
  app.close();
});

Deno.test("a client that was away for a moment gets exactly what it missed", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const clock = new HandClock();
  const app = createApp(host, { clock });
  const events = new EventReader(await ask(app, PATH));
  await table.put(row(1, 10));
  const last = (await take(events, 2)).at(-1)?.id ?? "";
  await events[Symbol.asyncDispose]();
  await clock.advance(30_000);
  await table.put(row(2, 11));
  await table.put(row(3, 11));

  await using again = new EventReader(await ask(app, PATH, { headers: { "last-event-id": last } }));
  await table.put(row(4, 12));
  assert.deepEqual(brief(await take(again, 3)), ["put 2@11", "put 3@11", "put 4@12"]);
  app.close();
});

Deno.test("after a minute without clients nothing is kept or listened to", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const clock = new HandClock();
  const app = createApp(host, { clock });
  const events = new EventReader(await ask(app, PATH));
  const id = (await take(events, 1))[0]?.id ?? "";
  assert.equal(table.listeners, 1);
  await events[Symbol.asyncDispose]();
  await clock.advance(61_000);
  assert.equal(table.listeners, 0);
  await table.put(row(1, 10));
  await using again = new EventReader(await ask(app, PATH, { headers: { "last-event-id": id } }));
  assert.deepEqual(brief(await take(again, 2)), ["gap", "put 1@10"]);
  app.close();
  assert.equal(table.listeners, 0);
});

Deno.test("without a change index a resume searches the table, and says that it can't tell deletions", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  await table.put(row(1, 12), row(2, 9), row(3, 10));
  const app = createApp(host, { clock: new HandClock() });
  await using events = new EventReader(await ask(app, PATH + "?since=10"));
  await table.put(row(4, 13));
  // The row that was put meanwhile may come twice, and comes at least once.
  const seen = brief(await take(events, 4));
  assert.deepEqual(seen.slice(0, 3), ["gap", "put 1@12", "put 3@10"]);
  assert.equal(seen[3], "put 4@13");
  app.close();
});

Deno.test("with a change index a resume tells deletions too", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  await table.put(row(1, 12));
  table.index = [
    { kind: "put", key: [1], order: 9, value: null },
    { kind: "delete", key: [2], order: 11, value: { id: 2, updated_at: 11, deleted_at: 11 } },
    { kind: "put", key: [1], order: 12, value: { id: 1, updated_at: 12 } },
  ];
  const app = createApp(host, { clock: new HandClock() });
  await using events = new EventReader(await ask(app, PATH + "?since=10"));
  const seen = await take(events, 2);
  assert.deepEqual(brief(seen), ["delete 2@11", "put 1@12"]);
  assert.deepEqual(seen.map((event) => event.id), ["11", "12"]);
  app.close();
});

Deno.test("a since that is no cursor of the table is refused", async () => {
  await using host = await StandIn.open("servers");
  await host.table("servers").put(row(1, 12));
  const app = createApp(host, { clock: new HandClock() });
  for (const since of ["yesterday", "%25zz"]) {
    const answer = await ask(app, `${PATH}?since=${since}`);
    assert.equal(answer.status, 400, since);
    await answer.body?.cancel();
  }
  assert.equal(app.openStreams, 0);
  app.close();
});

Deno.test("an order of any text survives as an event's id", () => {
  assert.deepEqual(parsePlace("a%3B1%0Ab;x1.7"), { cursor: "a;1\nb", run: "x1", number: 7 });
  assert.deepEqual(parsePlace(";x1.0"), { cursor: null, run: "x1", number: 0 });
  assert.equal(parsePlace("2026-11-22T22:26:05Z")?.cursor, "2026-11-22T22:26:05Z");
  assert.equal(parsePlace("%zz"), null);
});

Deno.test("a client that takes nothing of its backlog is disconnected, and frees its place", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const value = (id: number) => ({ id, updated_at: id, text: "x".repeat(60_000) });
  for (let id = 1; id <= 40; id++) await table.put({ key: [id], order: id, value: value(id) });
  const clock = new HandClock();
  const app = createApp(host, { clock });
  const answer = await ask(app, PATH + "?since=1");
  while (clock.sleeping < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await clock.advance(30_000);
  assert.equal(app.openStreams, 0);
  await assert.rejects(answer.text(), /takes nothing/);
  app.close();
});
