/**
 * `doctor` on origins as they are: what it finds, and that the command it prints, run as it is
 * printed, copies them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { FindingId, Level, Report } from "../../src/doctor/report.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { start2011 } from "../../scripts/origin/reference_2011.ts";
import { startFeed } from "../feed/feed_replica.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { rowsIn } from "../support/oracle.ts";
import { closeDelimited, MisbehavingOrigin } from "../support/misbehaving_origin.ts";
import { Nginx } from "../support/nginx.ts";
import { testWith } from "../support/tools.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { cursorOf, lines, rows, serve } from "./origins.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const RUN = ["run", "-A", "--no-check", "--quiet", MAIN];

/** Runs `doctor` in a process of its own. */
async function doctor(
  url: string,
  args: readonly string[] = [],
): Promise<{ code: number; report: Report; text: string }> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...RUN, "doctor", url, "--json", "--seconds", "4", ...args],
    clearEnv: true,
    env: { HOME: Deno.env.get("HOME") ?? "/", DENO_DIR: Deno.env.get("DENO_DIR") ?? "" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(output.stdout);
  assert.notEqual(text, "", new TextDecoder().decode(output.stderr));
  return { code: output.code, report: JSON.parse(text), text };
}

/** Runs a printed command as a shell runs it, until the table is as wished. */
async function runPrinted(
  command: string,
  table: string,
  wish: (found: ReadonlyMap<string, unknown>) => boolean,
): Promise<void> {
  await using store = await TempStore.create();
  const bin = store.folder.file("bin");
  await Deno.mkdir(bin);
  const program = [Deno.execPath(), ...RUN].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(
    `${bin}/lockstep-replicate`,
    `#!/bin/sh\nexec ${program} "$@" --kv '${store.path}' --no-status --poll 100ms\n`,
    { mode: 0o755 },
  );
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `exec ${command}`],
    env: { PATH: `${bin}:${Deno.env.get("PATH")}` },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const kv = await store.open();
  try {
    await waitFor(
      async () => wish(await rowsIn(kv, table).catch(() => new Map())),
      `the rows of ${command}`,
      20_000,
    );
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

function found(report: Report, id: FindingId): { level: Level; text: string } {
  const finding = report.findings.find((one) => one.id === id);
  assert.ok(finding !== undefined, `no finding ${id} in ${JSON.stringify(report, null, 1)}`);
  return {
    level: finding.level,
    text: `${finding.seen}; ${finding.meaning}; ${finding.advice}`,
  };
}

/** What is expected of an origin. */
interface Expected {
  readonly options?: Readonly<Record<string, string>>;
  readonly findings?: readonly (readonly [FindingId, Level, RegExp])[];
  /** Rows that the copy ends with, by table; default all live ones. */
  readonly rows: number;
  readonly table?: string;
}

async function examined(url: string, expected: Expected): Promise<Report> {
  const { code, report } = await doctor(url);
  for (const [id, level, pattern] of expected.findings ?? []) {
    const finding = found(report, id);
    assert.match(`${id}: ${finding.text}`, pattern);
    assert.equal(finding.level, level, `${id}: ${finding.text}`);
  }
  const { url: _, ...options } = report.options;
  for (const [name, value] of Object.entries(expected.options ?? {})) {
    assert.equal(options[name], value, JSON.stringify(options));
  }
  assert.equal(report.usable, true, JSON.stringify(report.findings));
  assert.equal(code, 0);
  assert.ok(report.command !== null);
  await runPrinted(report.command, expected.table ?? "items", (all) => all.size === expected.rows);
  return report;
}

Deno.test("the reference origin, endless: cursor in the path, inclusive, sorted, stays open", async () => {
  await using origin = startTestOrigin({
    heartbeatMs: 400,
    rows: Array.from({ length: 30 }, (_, id) => ({ id, n: id % 3 })),
  });
  const report = await examined(origin.url, {
    table: "servers",
    rows: 30,
    options: { key: "id", "order-by": "updated_at", "deleted-by": "deleted_at" },
    findings: [
      ["cursor", "ok", /sent nothing below; the cursor is in the path/],
      ["inclusive", "ok", /came again/],
      ["framing", "ok", /one record a line/],
      ["key", "ok", /id is unique in 30 records/],
      ["order", "ok", /updated_at: a number, a counter/],
      ["sorted", "ok", /in order/],
      ["ties", "ok", /no two records/],
      ["ending", "ok", /stays open/],
      ["heartbeat", "ok", /a blank line each [345]00ms/],
      ["clock", "ok", /agree/],
      ["late", "note", /can't be told in this time/],
    ],
  });
  assert.equal(report.command, `lockstep-replicate --url ${origin.url}`);
});

Deno.test("the reference origin, finite, with deletions that the start leaves out", async () => {
  await using origin = startTestOrigin({
    finite: true,
    rows: Array.from({ length: 30 }, (_, id) => ({ id })),
  });
  for (let id = 0; id < 3; id++) origin.table.remove(id);
  await examined(origin.url, {
    table: "servers",
    rows: 27,
    findings: [
      ["ending", "ok", /answers end/],
      ["deletions", "ok", /left out from the start/],
      ["pages", "ok", /all there are/],
    ],
  });
});

Deno.test("the protocol's server of 2011: endless, unsorted, deaf to the cursor, and copied", async () => {
  await using server = await start2011();
  await examined(server.url, {
    table: "servers",
    rows: 5,
    findings: [
      ["framing", "ok", /nothing between/],
      ["cursor", "warning", /isn't honoured/],
      ["sorted", "warning", /out of order/],
      ["key", "note", /sent more than once/],
    ],
  });
});

Deno.test("pages of 100 records with the cursor in the query", async () => {
  const all = rows(450);
  await using origin = serve((url) => {
    const since = cursorOf(url, "since");
    if (url.pathname !== "/items" || since === null) return new Response("no", { status: 404 });
    return lines(all.filter((row) => Number(row.updated_at) >= Number(since)).slice(0, 100));
  });
  const report = await examined(origin.url, {
    rows: 450,
    findings: [
      ["pages", "note", /an answer of 100 records ends, and there are more/],
      ["cursor", "ok", /in the query/],
    ],
  });
  assert.match(report.command ?? "", /\?since=\{since\}/);
});

Deno.test("an array under another parameter, ordered by ISO times of uneven width", async () => {
  const all = rows(60, (i) => ({
    updated_at: undefined as unknown as null,
    updatedAt: new Date(1_790_000_000_000 + i * 250).toISOString().replace(/\.000|0+(?=Z)/, ""),
    uuid: `a-${i}`,
    id: undefined as unknown as null,
  }));
  await using origin = serve((url) => {
    const since = cursorOf(url, "updated_since");
    if (url.pathname !== "/items") return new Response("no", { status: 404 });
    const from = since === null ? NaN : Date.parse(since);
    return Response.json(
      all.filter((row) => Number.isNaN(from) || Date.parse(String(row.updatedAt)) >= from),
    );
  });
  await examined(origin.url, {
    rows: 60,
    options: { key: "uuid", "order-by": "updatedAt" },
    findings: [
      ["framing", "ok", /an array \(application\/json\)/],
      ["order", "note", /times as text of uneven width/],
      ["cursor", "ok", /in the query/],
    ],
  });
});

Deno.test("an envelope with nested fields, as JSON:API has them", async () => {
  const all = Array.from({ length: 20 }, (_, i) => ({
    type: "server",
    attributes: { id: `s${i}`, updated_at: 1_790_000_000 + i },
    meta: { deleted: i === 3 },
  }));
  await using origin = serve((url) => {
    const since = Number(cursorOf(url) ?? NaN);
    const data = all.filter(({ attributes }) => attributes.updated_at >= since);
    return Response.json({ jsonapi: { version: "1.0" }, data, links: { self: url.href } });
  });
  await examined(origin.url, {
    rows: 19,
    options: {
      records: "data",
      key: "/attributes/id",
      "order-by": "/attributes/updated_at",
      "deleted-by": "/meta/deleted",
    },
    findings: [
      ["framing", "ok", /an envelope, records in data/],
      ["order", "ok", /seconds since 1970/],
      ["deletions", "ok", /1 deletion among 20 records/],
    ],
  });
});

Deno.test("an exclusive cursor gets an overlap", async () => {
  const all = rows(20);
  await using origin = serve((url) => {
    const since = Number(cursorOf(url) ?? NaN);
    return lines(all.filter((row) => Number(row.updated_at) > since));
  });
  await examined(origin.url, {
    rows: 20,
    options: { overlap: "1" },
    findings: [["inclusive", "warning", /did not come again.*--overlap/]],
  });
});

Deno.test("unsorted, with a composite key, and no deletions", async () => {
  const all = rows(24, (i) => ({
    name: "x",
    region: `r${i % 4}`,
    number: Math.floor(i / 4),
    updated_at: 1_790_000_000_000 + ((i * 7) % 24) * 1000,
    id: undefined as unknown as null,
    deleted_at: undefined as unknown as null,
  }));
  await using origin = serve((url) =>
    lines(all.filter((row) => Number(row.updated_at) >= Number(cursorOf(url) ?? NaN)))
  );
  const report = await examined(origin.url, {
    rows: 24,
    findings: [
      ["sorted", "warning", /out of order at record/],
      ["deletions", "warning", /stays in the copy/],
      ["key", "note", /is unique/],
      ["order", "ok", /milliseconds since 1970/],
    ],
  });
  assert.deepEqual(report.options.key?.split(",").toSorted(), ["number", "region"]);
});

Deno.test("gzip, server-sent events, large groups of one order", async () => {
  const all = rows(120, (i) => ({ updated_at: 1000 + Math.floor(i / 60) }));
  await using origin = serve((url) => {
    const since = Number(cursorOf(url) ?? NaN);
    const events = all.filter((row) => Number(row.updated_at) >= since)
      .map((row) => `data: ${JSON.stringify(row)}\n\n`).join("");
    return new Response(Uint8Array.from(gzipSync(events)), {
      headers: { "content-type": "text/event-stream", "content-encoding": "gzip" },
    });
  });
  await examined(origin.url, {
    rows: 120,
    findings: [
      ["framing", "ok", /server-sent events/],
      ["compression", "ok", /gzip/],
      ["ties", "warning", /at most 60/],
    ],
  });
});

Deno.test("a feed of ours is known by its headers", async () => {
  await using origin = startTestOrigin({ rows: Array.from({ length: 12 }, (_, id) => ({ id })) });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  await examined(feed.url, {
    table: "servers",
    rows: 12,
    findings: [["feed", "ok", /a lockstep feed, at 10\d\d/]],
  });
});

Deno.test("an answer that something in between gathers: pauses within a record", async () => {
  const text = rows(200).map((row) => `${JSON.stringify(row)}\n`).join("");
  const bytes = new TextEncoder().encode(text);
  const timers = new Set<ReturnType<typeof setTimeout>>();
  await using origin = serve(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(bytes.slice(0, 4096));
          timers.add(setTimeout(() => {
            try {
              controller.enqueue(bytes.slice(4096, 8192));
            } catch {
              // Nobody reads any more.
            }
          }, 1_200));
        },
      }),
      { headers: { "cache-control": "no-transform" } },
    )
  );
  const { report } = await doctor(origin.url);
  for (const timer of timers) clearTimeout(timer);
  const { level, text: said } = found(report, "buffering");
  assert.equal(level, "warning");
  assert.match(said, /within a record, after [48]\.0 KiB.*proxy_buffering off/);
});

testWith(
  ["nginx"],
  "nginx before an endless answer, as it comes: its buffering is found",
  async () => {
    const text = rows(300).map((row) => `${JSON.stringify(row)}\n`).join("");
    await using origin = await MisbehavingOrigin.start(closeDelimited(text, { end: "stall" }));
    await using nginx = await Nginx.before(origin.url);
    const { report } = await doctor(`${nginx.url}/items`);
    const { level, text: said } = found(report, "buffering");
    assert.equal(level, "warning");
    assert.match(said, /within a record.*proxy_buffering off/);
  },
);

Deno.test("records from the future, a clock that is off, digits as text, deletions by a state", async () => {
  const now = Math.floor(Date.now() / 1000);
  const all = rows(20, (i) => ({
    updated_at: String(i === 19 ? 9_999_999_999 : now - 100 + i),
    status: i % 5 === 0 ? "archived" : "active",
    deleted_at: undefined as unknown as null,
  }));
  await using origin = serve((url) =>
    lines(all.filter((row) => Number(row.updated_at) >= Number(cursorOf(url) ?? NaN)), {
      date: new Date(Date.now() - 3_600_000).toUTCString(),
    })
  );
  await examined(origin.url, {
    rows: 16,
    options: { "order-type": "number", "deleted-by": "status=archived" },
    findings: [
      ["order", "note", /digits as text/],
      ["clock", "warning", /its clock is (1h|59m)\S* behind ours/],
      ["deletions", "ok", /4 deletions among 20 records/],
    ],
  });
});

Deno.test("a list without any order is copied whole", async () => {
  const all = Array.from(
    { length: 25 },
    (_, i) => ({ prefix: `10.${i}.0.0/16`, region: `r${i % 3}` }),
  );
  await using origin = serve(
    (url) =>
      url.pathname === "/ranges.json"
        ? Response.json({ created: "2026-01-01", ranges: all })
        : new Response("no", { status: 404 }),
    "/ranges.json",
  );
  const report = await examined(origin.url, {
    table: "ranges.json",
    rows: 25,
    options: { key: "prefix", records: "ranges", whole: "", "order-by": "lockstep_order" },
    findings: [
      ["order", "note", /whole table.*--whole/],
      ["deletions", "ok", /lacks is removed/],
    ],
  });
  assert.match(
    report.command ?? "",
    /--whole --order-by lockstep_order --key prefix --records ranges$/,
  );
});

/** Origins that can't be copied, and why. */
const REFUSED: readonly (readonly [
  name: string,
  answer: () => Response,
  id: FindingId,
  seen: RegExp,
])[] = [
  [
    "a login page",
    () =>
      new Response("<!doctype html><title>Sign in</title>", {
        headers: { "content-type": "text/html" },
      }),
    "reach",
    /text\/html.*credentials/,
  ],
  ["401", () => new Response("no", { status: 401 }), "reach", /401.*(credentials|header)/i],
  ["nothing", () => new Response(""), "reach", /without a record/],
  ["CSV", () => new Response("id,name,updated_at\n1,a,5\n"), "framing", /begins with/],
  ["a list of texts", () => Response.json(["a", "b"]), "framing", /begins with/],
  [
    "no key",
    () => Response.json([{ updated_at: 1, v: 1.5 }, { updated_at: 1, v: 1.5 }]),
    "key",
    /--key FIELD/,
  ],
];

Deno.test("what can't be copied is said with its reason, and exit status 1", async () => {
  for (const [name, answer, id, seen] of REFUSED) {
    await using origin = serve(answer);
    const { code, report } = await doctor(origin.url);
    assert.equal(report.usable, false, name);
    assert.equal(report.command, null);
    assert.equal(code, 1);
    const { level, text } = found(report, id);
    assert.equal(level, "error", name);
    assert.match(text, seen, name);
    assert.ok(origin.paths.length <= 20);
  }
});

Deno.test("the report for people ends with the command; a password is in neither", async () => {
  const all: JsonObject[] = rows(5);
  await using origin = serve((url) =>
    lines(all.filter((row) => Number(row.updated_at) >= Number(cursorOf(url) ?? NaN)))
  );
  const url = origin.url.replace("//", "//me:s3cret@");
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...RUN, "doctor", url, "--seconds", "3", "--feed", "--poll=5s", "--key", "id"],
  }).output();
  const text = new TextDecoder().decode(output.stdout);
  assert.equal(output.code, 0, new TextDecoder().decode(output.stderr));
  assert.match(text, /It can be copied:\n\n {2}lockstep-replicate --url \S+ --feed --poll 5s\n$/);
  assert.doesNotMatch(text, /s3cret/);
  assert.match(text, /^ok {7}key {10}id is unique/m);
});

Deno.test("wrong usage is exit status 2", async () => {
  for (
    const args of [["doctor"], ["doctor", "nonsense"], ["doctor", "http://h/x", "--seconds", "0"]]
  ) {
    const { code } = await new Deno.Command(Deno.execPath(), { args: [...RUN, ...args] }).output();
    assert.equal(code, 2, args.join(" "));
  }
});
