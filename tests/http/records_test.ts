import assert from "node:assert/strict";
import fc from "fast-check";
import { createApp, type StatusApp } from "../../src/http/app.ts";
import { preferred } from "../../src/http/negotiate.ts";
import { afterToken, parseAfter, recordPath, segments } from "../../src/http/paths.ts";
import { parseJson } from "../../src/protocol/json_text.ts";
import type { JsonObject, Key } from "../../src/protocol/record.ts";
import { ask } from "./request.ts";
import { StandIn } from "./stand_in.ts";

async function filled(rows: number): Promise<{ host: StandIn; app: StatusApp }> {
  const host = await StandIn.open("servers");
  const table = host.table("servers");
  const records = Array.from({ length: rows }, (_, i) => ({
    key: [i + 1],
    order: 1000 + i,
    value: { id: i + 1, updated_at: 1000 + i, deleted_at: null } as JsonObject,
  }));
  for (let i = 0; i < rows; i += 500) await table.put(...records.slice(i, i + 500));
  return { host, app: createApp(host) };
}

Deno.test("one record comes with its tag, cursor and age, and 304 while it is unchanged", async () => {
  const { host, app } = await filled(3);
  await using _ = host;
  host.table("servers").set({ cursor: "1002", ageSeconds: 2.04 });
  const answer = await ask(app, "/tables/servers/records/2");
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { id: 2, updated_at: 1001, deleted_at: null });
  assert.equal(answer.headers.get("lockstep-cursor"), "1002");
  assert.equal(answer.headers.get("lockstep-age"), "2.0");
  const etag = answer.headers.get("etag") ?? "";
  assert.match(etag, /^"[0-9a-f]+-[0-9a-f]{20}-[0-9a-f]{8}"$/);

  const again = await ask(app, "/tables/servers/records/2", { headers: { "if-none-match": etag } });
  assert.equal(again.status, 304);
  assert.equal(again.body, null);
  assert.equal(again.headers.get("lockstep-cursor"), "1002");

  await host.table("servers").put({
    key: [2],
    order: 1003,
    value: { id: 2, updated_at: 1003, x: 1 },
  });
  const changed = await ask(app, "/tables/servers/records/2", {
    headers: { "if-none-match": etag },
  });
  assert.equal(changed.status, 200);
  assert.equal((await changed.json()).x, 1);
});

Deno.test("a deleted record is a 404 that tells when it was deleted; a row never seen is a plain one", async () => {
  const { host, app } = await filled(1);
  await using _ = host;
  await host.table("servers").delete([1], {
    order: 2000,
    deletedAt: "2026-11-22T10:00:00Z",
    value: { id: 1, updated_at: 2000, deleted_at: "2026-11-22T10:00:00Z" },
    expiresAt: 1_800_000_000_000,
  });
  const gone = await ask(app, "/tables/servers/records/1");
  assert.equal(gone.status, 404);
  assert.deepEqual(await gone.json(), {
    deleted: true,
    key: [1],
    order: 2000,
    deleted_at: "2026-11-22T10:00:00Z",
    remembered_until: "2027-01-15T08:00:00.000Z",
    record: { id: 1, updated_at: 2000, deleted_at: "2026-11-22T10:00:00Z" },
  });
  const never = await ask(app, "/tables/servers/records/77");
  assert.equal(never.status, 404);
  assert.equal((await never.json()).deleted, false);
  const table = await ask(app, "/tables/nothing/records/1");
  assert.equal(table.status, 404);
  await table.body?.cancel();
  const broken = await ask(app, "/tables/servers/records/%zz");
  assert.equal(broken.status, 400);
  await broken.body?.cancel();
});

Deno.test("every key has a path of its own, and integers come out exactly", async () => {
  await using host = await StandIn.open("a/b ?#%é");
  const table = host.table("a/b ?#%é");
  const keys: Key[] = [
    [1],
    ["1x"],
    ["a/b"],
    ["%2F"],
    ["a", "b", 3],
    [true],
    [9007199254740993n],
    [""],
    [".."],
    [".", "x"],
    ["a", "", "b"],
    ["new\nline", "é\u2028"],
    ["?key=1#"],
    [-1.5],
  ];
  for (const [i, key] of keys.entries()) {
    await table.put({ key, order: 1, value: { at: i, big: 9007199254740993n } });
  }
  const app = createApp(host);
  for (const [i, key] of keys.entries()) {
    const path = recordPath("a/b ?#%é", key);
    const answer = await app.fetch(new Request("http://localhost" + path));
    assert.equal(await answer.text(), `{"at":${i},"big":9007199254740993}\n`, path);
  }
});

Deno.test("a number in a path is the number first, then the string", async () => {
  await using host = await StandIn.open("t");
  const app = createApp(host);
  await host.table("t").put({ key: ["5"], order: 1, value: { kind: "string" } });
  assert.equal((await (await ask(app, "/tables/t/records/5")).json()).kind, "string");
  await host.table("t").put({ key: [5], order: 1, value: { kind: "number" } });
  assert.equal((await (await ask(app, "/tables/t/records/5")).json()).kind, "number");
});

Deno.test("a key survives its path and its place in a list, whatever is in it", () => {
  const part = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean(), fc.bigInt());
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (key) => {
    const url = new URL("http://localhost" + recordPath("t", key));
    const texts = url.searchParams.has("key")
      ? url.searchParams.getAll("key")
      : segments(url.href)?.slice(3);
    assert.deepEqual(texts, key.map(String));
    const normal = key.map((p) =>
      typeof p === "bigint" && p >= -(2n ** 53n) + 1n && p < 2n ** 53n ? Number(p) : p
    );
    assert.deepEqual(parseAfter(afterToken(key)), normal);
  }));
});

Deno.test("following the next links gives every record once, in key order", async () => {
  const { host, app } = await filled(2350);
  await using _ = host;
  const seen: number[] = [];
  let path: string | null = "/tables/servers/records?limit=1000";
  while (path !== null) {
    const answer: Response = await ask(app, path);
    const page = parseJson(await answer.text()) as {
      records: { id: number }[];
      next: string | null;
    };
    assert(page.records.length <= 1000);
    seen.push(...page.records.map((record) => record.id));
    const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1] ?? null;
    assert.equal(link === null, page.next === null);
    path = link;
  }
  assert.deepEqual(seen, Array.from({ length: 2350 }, (_, i) => i + 1));

  const lines = await ask(app, "/tables/servers/records", {
    headers: { accept: "application/x-ndjson" },
  });
  assert.equal((await lines.text()).split("\n").length, 101);
  for (
    const query of [
      "limit=0",
      "limit=1001",
      "limit=x",
      "after=x",
      "after=%5B%5D",
      "after=%5Bnull%5D",
    ]
  ) {
    const answer = await ask(app, `/tables/servers/records?${query}`);
    assert.equal(answer.status, 400, query);
    await answer.body?.cancel();
  }
});

Deno.test("a page of large records ends early instead of filling the memory", async () => {
  await using host = await StandIn.open("t");
  for (let i = 0; i < 120; i++) {
    await host.table("t").put({ key: [i], order: i, value: { id: i, text: "x".repeat(60_000) } });
  }
  const answer = await ask(createApp(host), "/tables/t/records?limit=1000");
  const text = await answer.text();
  assert(text.length < 5_000_000);
  assert.match(answer.headers.get("link") ?? "", /rel="next"/);
});

Deno.test("the quarantine is listed newest first, with reasons and times", async () => {
  await using host = await StandIn.open("t");
  for (let number = 1; number <= 3; number++) {
    await host.kv.set(["lockstep", "t", "quarantine", number], {
      number,
      text: `bad ${number}`,
      reason: "not JSON",
      time: 1_800_000_000_000,
      cursor: 9007199254740993n,
    });
  }
  const answer = await ask(createApp(host), "/tables/t/quarantine?limit=2");
  const body = parseJson(await answer.text()) as { entries: JsonObject[] };
  assert.deepEqual(body.entries.map((entry) => entry.text), ["bad 3", "bad 2"]);
  assert.equal(body.entries[0]?.cursor, 9007199254740993n);
  assert.equal(body.entries[0]?.time, "2027-01-15T08:00:00.000Z");
});

Deno.test("a browser gets a page where a program gets JSON", async () => {
  const { host, app } = await filled(60);
  await using _ = host;
  const browser = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
  for (const path of ["/tables/servers", "/tables/servers/records", "/tables/servers/records/7"]) {
    const answer = await ask(app, path, { headers: browser });
    assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
    const text = await answer.text();
    assert(text.includes("/tables/servers/records/7") || text.includes("&quot;id&quot;: 7"));
  }
  const record = await ask(app, "/tables/servers/records/7", { headers: browser });
  const command = `lockstep-replicate get --kv ${host.status().store.path} servers 7`;
  assert.ok((await record.text()).includes(command), "with the store that it reads from");
  const look = await ask(app, "/tables/servers/records?key=7", { headers: browser });
  assert.match(await look.text(), /&quot;updated_at&quot;: 1006/);
  assert.equal(
    preferred("application/json;q=0.1, text/html;q=0", ["text/html", "application/json"]),
    "application/json",
  );
});
