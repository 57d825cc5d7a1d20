import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { bytesText, countText, shortSpanText } from "../../src/http/view/format.ts";
import { headline } from "../../src/http/view/words.ts";
import { agoText, spanText } from "../../src/http/assets/age.js";
import type { TableStatus } from "../../src/replica/status.ts";
import { ask } from "./request.ts";
import { samplesUntil, StandIn, tableStatus } from "./stand_in.ts";

const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(1)>'\``;

function sentence(...tables: TableStatus[]): string {
  const status = { tables } as unknown as Parameters<typeof headline>[0];
  return headline(status, 60_000).sentence;
}

Deno.test("the first sentence says whether somebody is needed", () => {
  const live = tableStatus("a");
  const failing = tableStatus("b", { state: "failing", live: false });
  const held = tableStatus("c", { state: "held" });
  const waiting = tableStatus("d", { state: "waiting", live: false });
  const catching = tableStatus("e", { state: "catching-up", live: false });
  assert.equal(sentence(live), "a is live");
  assert.equal(sentence(live, live), "Both tables are live");
  assert.equal(sentence(live, live, live), "All 3 tables are live");
  assert.equal(sentence(live, failing), "b needs you");
  assert.equal(sentence(live, failing, held, waiting), "2 of 4 tables need you");
  assert.equal(sentence(live, waiting, catching), "d waits for its origin");
  assert.equal(sentence(live, catching), "e is catching up");
  assert.equal(sentence(tableStatus("a", { ageSeconds: 61 })), "a has gone stale");
  assert.equal(sentence(), "No tables are replicated here");
});

Deno.test("of a copy whose origin is not to be heard the page says how old it is, and until when it is served", async () => {
  await using host = await StandIn.open("servers");
  const words = async (change: Partial<TableStatus>) => {
    host.table("servers").set({ state: "waiting", live: false, reason: "refused", ...change });
    const text = await (await ask(createApp(host), "/")).text();
    const copy = /<p class="copy">(.*?)<\/p>/s.exec(text)?.[1] ?? "";
    return copy.replaceAll(/<[^>]+>/g, "");
  };
  const lastContact = new Date(Date.now() - 245_000).toISOString();
  assert.match(await words({ lastContact, ageSeconds: 245 }), /^Serving, 4 min \d+ s old\.$/);
  assert.match(
    await words({ lastContact, ageSeconds: 245, expiresInSeconds: 23 * 3600 - 1 }),
    /^Serving, 4 min \d+ s old, expires in 2[23] h( 59 min)?\.$/,
  );
  assert.match(
    await words({ lastContact, ageSeconds: 245, expiresInSeconds: -1 }),
    /^Expired, 4 min \d+ s old: reads are refused\.$/,
  );
});

Deno.test("the page says what is wrong and what to do, without a script", async () => {
  await using host = await StandIn.open("servers", "accounts");
  host.table("servers").points = samplesUntil(Date.now());
  host.table("servers").set({
    state: "failing",
    live: false,
    reason: "the origin answered 401",
    hint: "check the credentials",
    rowsExact: false,
    errors: [{ time: "2026-11-22T22:00:00Z", kind: "status", message: "E1", hint: "H1" }],
  });
  host.table("accounts").set({
    state: "held",
    sweep: { state: "held", reason: "asked for", wouldRemove: 900, of: 1000 },
  });
  const text = await (await ask(createApp(host), "/")).text();
  for (
    const words of [
      "Both tables need you",
      "The origin answered 401.",
      "check the credentials",
      "≈ 1,234,567",
      "Remove 900 of 1,000 rows",
      "E1",
      "/var/lib/lockstep-replicate/replica.kv",
      'action="/tables/accounts/approve-sweep"',
      "<svg",
    ]
  ) assert(text.includes(words), words);
});

Deno.test("nothing that an origin or a name says becomes markup, and the page has no inline code", async () => {
  await using host = await StandIn.open(HOSTILE);
  const table = host.table(HOSTILE);
  await table.put({
    key: [HOSTILE],
    order: 1,
    value: { id: HOSTILE, updated_at: 1, [HOSTILE]: HOSTILE },
  });
  await table.setCursor(1, [HOSTILE]);
  table.set({
    url: HOSTILE,
    state: "failing",
    live: false,
    reason: HOSTILE,
    hint: HOSTILE,
    cursor: HOSTILE,
    head: HOSTILE,
    cursorTime: null,
    orderType: null,
    quarantined: 1,
    quarantinedBy: { [HOSTILE]: 1 },
    reconnects: { [HOSTILE]: 1 },
    warnings: [HOSTILE],
    errors: [{ time: "2026-11-22T22:00:00Z", kind: HOSTILE, message: HOSTILE, hint: HOSTILE }],
    sweep: { state: "held", reason: HOSTILE, wouldRemove: 1, of: 2 },
    hooks: [{
      name: "write",
      target: HOSTILE,
      lastSuccess: null,
      lastFailure: null,
      error: HOSTILE,
      pending: true,
      pauseSeconds: 0,
    }],
  });
  await host.kv.set(["lockstep", HOSTILE, "quarantine", 1], {
    number: 1,
    text: HOSTILE,
    reason: HOSTILE,
    time: 0,
    cursor: HOSTILE,
  });
  host.change = { store: { path: HOSTILE, bytes: 1 }, host: HOSTILE, version: HOSTILE };
  const app = createApp(host);
  const base = `/tables/${encodeURIComponent(HOSTILE)}`;
  const record = `${base}/records/${encodeURIComponent(HOSTILE)}`;
  const headers = { accept: "text/html" };
  for (const path of ["/", base, record, `${base}/records/none`, `${base}/quarantine`]) {
    const answer = await ask(app, path, { headers });
    const text = await answer.text();
    assert(text.includes("&lt;script&gt;"), path);
    assert(!text.includes("<script>"), path);
    assert(!text.includes("<img"), path);
    assert(!/<[^>]*\son\w+=/.test(text.replace(/"[^"]*"/g, '""')), path);
    assert(!/<style|\sstyle=/.test(text), path);
    for (const [tag] of text.matchAll(/<script[^>]*>/g)) assert.match(tag, /src="\/assets\//);
  }
});

Deno.test("assets come from the program, under a name that changes with them", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  const text = await (await ask(app, "/")).text();
  const paths = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
  for (const path of paths) assert.match(path, /^(\/|#|data:image\/svg)/);
  const assets = paths.filter((path) => path.startsWith("/assets/"));
  assert(assets.length >= 4);
  for (const path of assets) {
    const answer = await ask(app, path);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get("cache-control") ?? "", /immutable/);
    assert((await answer.text()).length > 100);
  }
  const missing = await ask(app, "/assets/00000000/main.js");
  assert.equal(missing.status, 404);
  await missing.body?.cancel();
});

Deno.test("a form goes back to the page, a program gets an answer", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const app = createApp(host);
  const approve = async (accept: string) => {
    const headers = { accept, "sec-fetch-site": "same-origin" };
    const answer = await ask(app, "/tables/servers/approve-sweep", { method: "POST", headers });
    await answer.body?.cancel();
    return [answer.status, answer.headers.get("location")];
  };
  assert.deepEqual(await approve("*/*"), [409, null]);
  table.set({ sweep: { state: "held", reason: "x", wouldRemove: 1, of: 1 } });
  assert.deepEqual(await approve("text/html,*/*;q=0.8"), [303, "/"]);
  assert.equal(table.approvals, 1);
  table.set({ sweep: { state: "held", reason: "x", wouldRemove: 1, of: 1 } });
  assert.deepEqual(await approve("application/json"), [202, null]);
});

Deno.test("a table is held and released by the page and by programs, and says loudly that it is held", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const app = createApp(host);
  const ask202 = async (what: string) => {
    const headers = { accept: "application/json", "sec-fetch-site": "same-origin" };
    const answer = await ask(app, `/tables/servers/${what}`, { method: "POST", headers });
    await answer.body?.cancel();
    assert.equal(answer.status, 202);
  };
  await ask202("hold");
  assert.equal(table.holding, true);
  await ask202("release");
  assert.equal(table.holding, false);
  const since = new Date().toISOString();
  const hold = {
    by: "guard",
    since,
    ageSeconds: 0,
    reason: "too many",
    net: -999,
    of: 1000,
  } as const;
  table.set({ hold });
  const guarded = await (await ask(app, "/")).text();
  assert.match(guarded, /Nothing is committed[^]*too many/);
  assert.match(guarded, /approve-sweep[^]*Remove 999 rows/);
  table.set({ hold: { ...hold, by: "person", net: null, of: null } });
  assert.match(await (await ask(app, "/")).text(), /action="\/tables\/servers\/release"/);
});

Deno.test("figures are short and exact enough", () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(countText), ["0", "999", "1,000", "1,234,567"]);
  assert.deepEqual([0, 999, 1500, 999_999, 242e6].map(bytesText), [
    "0 B",
    "999 B",
    "1.5 KB",
    "1.0 MB",
    "242 MB",
  ]);
  assert.deepEqual([0, 0.0042, 0.42, 3.21, 61].map(shortSpanText), [
    "0 ms",
    "4.2 ms",
    "420 ms",
    "3.2 s",
    "61 s",
  ]);
  assert.deepEqual([-3, 0.9, 2, 61].map(agoText), [
    "just now",
    "just now",
    "2 s ago",
    "1 min 1 s ago",
  ]);
  assert.deepEqual([0, 59.9, 61, 600, 3600, 11_520, 200_000].map(spanText), [
    "0 s",
    "59 s",
    "1 min 1 s",
    "10 min",
    "1 h",
    "3 h 12 min",
    "2 d 7 h",
  ]);
});
