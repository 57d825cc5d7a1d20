/**
 * Orders of every type, over real sockets and a real store: no update is lost to how an order is
 * written, and the origin is never asked above what it sent.
 *
 * @module
 */

import assert from "node:assert/strict";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import { openReplica } from "../../src/replica/reader.ts";
import { COMPARISONS, type Line, line, LinesOrigin } from "../support/lines_origin.ts";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { rowsIn } from "../support/oracle.ts";
import { replicateOnce, startReplica, type TestReplicaOptions } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

/** The stored rows as text, by their ids. */
async function stored(path: string): Promise<string[]> {
  using kv = await Deno.openKv(path);
  return [...(await rowsIn(kv, "servers")).values()].map(stringifyJson).toSorted();
}

const texts = (lines: readonly Line[]) => lines.map(({ text }) => text).toSorted();

/** One run after another over what the origin has by then; the store must equal it each time. */
async function follows(
  compare: (a: string, b: string) => number,
  states: readonly (readonly Line[])[],
  options: Omit<TestReplicaOptions, "kv"> = {},
): Promise<string[]> {
  await using origin = await LinesOrigin.start(compare, []);
  await using store = await TempStore.create();
  for (const lines of states) {
    origin.lines = lines;
    await replicateOnce(origin.url, { kv: store.path, ...options });
    assert.deepEqual(await stored(store.path), texts(lines));
  }
  return origin.asked;
}

/** Times of one second as RFC3339Nano, `isoformat` and `Instant.toString` write them. */
const WIDTHS = ["00Z", "00.1Z", "00.125Z", "00.13Z", "01Z", "01.5Z", "02Z"].map((end) =>
  `2026-01-31T12:00:${end}`
);

for (const how of ["times", "texts"] as const) {
  Deno.test(`the newer of two times counts, whatever their widths, at an origin that compares ${how}`, async () => {
    const states = WIDTHS.map((time, n) => [
      ...WIDTHS.slice(0, n).map((before, id) => line(10 + id, before)),
      line(1, time, `,"n":${n}`),
    ]);
    // How times vary is known from the first answer on.
    await follows(COMPARISONS[how], states.slice(1));
  });

  Deno.test(`no row stays away for the width of its time, at an origin that compares ${how}`, async () => {
    const states = WIDTHS.map((_, n) => WIDTHS.slice(0, n + 1).map((time, id) => line(id, time)));
    await follows(COMPARISONS[how], states.slice(1));
  });
}

for (const how of ["times", "texts"] as const) {
  Deno.test(`more rows of a second than a page holds all come, at an origin that compares ${how}`, async () => {
    const rows = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, n) => {
        const digits = String(from + n).padStart(3, "0").replace(/0+$/, "");
        return line(from + n, `2026-01-31T12:00:07${digits === "" ? "" : `.${digits}`}Z`);
      });
    await using origin = await LinesOrigin.start(COMPARISONS[how], rows(0, 400));
    origin.limit = 60;
    await using store = await TempStore.create();
    for (const count of [400, 401, 430, 999]) {
      origin.lines = rows(0, count);
      await replicateOnce(origin.url, { kv: store.path, pollMs: 1 });
      assert.equal((await stored(store.path)).length, count);
    }
  });
}

Deno.test("an endless answer of times of several widths stores the newest of each", async () => {
  const body = WIDTHS.map((time, n) => line(1, time, `,"n":${n}`).text + "\n").join("");
  await using origin = await MisbehavingOrigin.start(records(body));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.deepEqual(await stored(store.path), [line(1, WIDTHS.at(-1) ?? "", ',"n":6').text]);
});

Deno.test("times of one width are asked for as they were sent, and of several a second earlier", async () => {
  const one = ["2026-01-31 12:00:00.100+00", "2026-01-31 12:00:00.200+00"];
  const asked = await follows(
    COMPARISONS.times,
    [one.slice(0, 1), one, one].map((times) => times.map((time, id) => line(id, time))),
  );
  // What brought something is asked about once more.
  const [first = "", second = ""] = one;
  assert.deepEqual(asked, ["0", first, first, second, second]);
  const several = await follows(
    COMPARISONS.times,
    [WIDTHS, WIDTHS].map((times) => times.map((time, id) => line(id, time))),
  );
  const last = "2026-01-31T12:00:02Z";
  assert.deepEqual(several, ["0", last, "2026-01-31T12:00:01Z", last]);
});

Deno.test("offsets that change with the season sort as instants", async () => {
  const times = [
    "2026-10-25T02:30:00+02:00",
    "2026-10-25T02:59:59+02:00",
    "2026-10-25T02:00:00+01:00",
    "2026-10-25T02:10:00+01:00",
  ];
  for (const how of ["times", "texts"] as const) {
    const states = [3, 4].map((n) => times.slice(0, n).map((time, id) => line(id, time)));
    await follows(COMPARISONS[how], states);
  }
});

Deno.test("zoned and naive times in one table: the rest of it is read, and they are set aside", async () => {
  const good = [line(1, "2026-01-31T12:00:00Z"), line(3, "2026-01-31T12:00:02+00:00")];
  const lines = [...good, line(2, "2026-01-31T12:00:01")];
  await using origin = await LinesOrigin.start(COMPARISONS.times, lines);
  await using store = await TempStore.create();
  const { status } = await replicateOnce(origin.url, { kv: store.path });
  assert.deepEqual([status.quarantined, status.orderType], [1, "time"]);
  assert.deepEqual(await stored(store.path), texts(good));
  using table = await openReplica({ kv: store.path, table: "servers" });
  const [entry] = await Array.fromAsync(table.quarantine());
  assert.match(entry?.reason ?? "", /"updated_at".*zone/);
});

Deno.test("decimals as text, once told so, are compared by value, at any size", async () => {
  const orders = ["9", "11", "100", "9007199254740993", "9007199254740995", "18446744073709551617"];
  const states = orders.map((order, n) => [
    ...orders.slice(0, n).map((before, id) => line(10 + id, before)),
    line(1, order, `,"n":${n}`),
  ]);
  const asked = await follows(COMPARISONS.numbers, states, { orderType: "number" });
  assert.deepEqual([...new Set(asked)], ["0", ...orders]);
});

Deno.test("numbers as text whose widths differ are refused, with the option to give", async () => {
  for (
    const [first, second] of [
      ["9", "11"],
      ["9.5", "10.5"],
      ["-1", "-2"],
      ["1790000000.5", "1790000000.25"],
    ] as const
  ) {
    // In one answer, and in a later one.
    for (const states of [[[first, second]], [[first], [first, second]]]) {
      await using origin = await LinesOrigin.start(COMPARISONS.numbers, []);
      await using store = await TempStore.create();
      const run = async () => {
        for (const orders of states) {
          origin.lines = orders.map((order, id) => line(id, order));
          await replicateOnce(origin.url, { kv: store.path });
        }
      };
      await assert.rejects(run, (error: Error & { hint?: string }) => {
        assert.match(error.message, /text/);
        assert.match(error.hint ?? "", /--order-type number/);
        return true;
      });
      const lines = [line(1, first), line(2, second)];
      origin.lines = lines;
      await replicateOnce(origin.url, { kv: store.path, orderType: "number", resync: true });
      assert.deepEqual(await stored(store.path), texts(lines));
    }
  }
});

Deno.test("an answer that is sorted as dates, but not as text, is refused with what to do", async () => {
  const days = ["Fri, 30 Jan 2026 12:00:00 GMT", "Sat, 31 Jan 2026 12:00:00 GMT"];
  const body = [...days, "Sun, 01 Feb 2026 12:00:00 GMT", "Mon, 02 Feb 2026 12:00:00 GMT"]
    .map((day, id) => line(id, day).text + "\n").join("");
  await using origin = await MisbehavingOrigin.start(records(body));
  await using store = await TempStore.create();
  const url = `${origin.url}/servers`;
  await assert.rejects(replicateOnce(url, { kv: store.path }), {
    message: /as dates/,
    hint: /--order-type text/,
  });
  await replicateOnce(url, { kv: store.path, orderType: "text" });
});

Deno.test("decimals finer than a double: no row is left out, and the origin is asked by their own text", async () => {
  const orders = [
    "1790000000.1234568801",
    "1790000000.12345688015",
    "1790000000.1234568802",
    "1790000000.12345688021",
    "1790000000.5",
    "1790000000.50000000000000000001",
  ];
  for (const isText of [false, true]) {
    await using origin = await LinesOrigin.start(COMPARISONS.numbers, []);
    await using store = await TempStore.create();
    const options = isText ? { orderType: "number" as const } : {};
    for (let n = 1; n <= orders.length; n++) {
      origin.lines = orders.slice(0, n).map((order, id) => line(id, order, "", !isText));
      await replicateOnce(origin.url, { kv: store.path, ...options });
      assert.equal((await stored(store.path)).length, n, `${orders[n - 1]} is there`);
      const asked = origin.asked.at(-1) ?? "0";
      const greatest = orders[n - 1] ?? "0";
      assert.ok(COMPARISONS.numbers(asked, greatest) <= 0, `${asked} <= ${greatest}`);
    }
  }
});

Deno.test("the type is decided by most of the first records; another one is set aside", async () => {
  const good = Array.from({ length: 20 }, (_, id) => line(id, `2026-01-31T12:00:${10 + id}Z`));
  for (const [at, order] of [[0, 5], [7, "soon"], [19, "12026-01-31T12:00:00Z"]] as const) {
    const odd: Line = { text: stringifyJson({ id: 99, updated_at: order }), order: String(order) };
    const lines = good.toSpliced(at, 0, odd);
    // All at once, and one in each chunk, of which the first alone decides wrongly.
    for (const isTrickling of [false, true]) {
      await using origin = await MisbehavingOrigin.start(async (conversation) => {
        await conversation.send(
          "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n" +
            "connection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        const pieces = lines.map(({ text }) => `${text}\n`);
        for (const piece of isTrickling ? pieces : [pieces.join("")]) {
          await conversation.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        }
        await conversation.send("0\r\n\r\n");
        conversation.close();
      });
      await using store = await TempStore.create();
      const options = { kv: store.path, attempts: 9 };
      const { status } = await replicateOnce(`${origin.url}/servers`, options);
      assert.deepEqual([status.orderType, status.quarantined], ["time", 1]);
      assert.deepEqual(await stored(store.path), texts(good));
    }
  }
});

Deno.test("another type than the table's is refused, and --resync changes it and reads all again", async () => {
  const lines = ["2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z"].map((time, id) => line(id, time));
  await using origin = await LinesOrigin.start(COMPARISONS.times, lines);
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  await assert.rejects(replicateOnce(origin.url, { kv: store.path, orderType: "text" }), {
    kind: "foreign-store",
    message: /compared as time, not as text/,
    hint: /--resync/,
  });
  const changed = await replicateOnce(origin.url, {
    kv: store.path,
    orderType: "text",
    resync: true,
  });
  assert.equal(changed.status.orderType, "text");
  const kept = await replicateOnce(origin.url, { kv: store.path });
  assert.equal(kept.status.orderType, "text", "the store says so from then on");
  assert.deepEqual(await stored(store.path), texts(lines));
});

Deno.test("a start that is a time, at an origin that refuses 0, is where every resync begins", async () => {
  const since = "1970-01-01T00:00:00Z";
  const asked: string[] = [];
  await using origin = await MisbehavingOrigin.start((conversation) => {
    const text = decodeURIComponent(conversation.request.path.split("/").at(-1) ?? "");
    asked.push(text);
    const isTime = /^\d{4}-/.test(text);
    const answer = records(isTime ? line(1, "2026-01-31T12:00:00.5Z").text + "\n" : "");
    return isTime ? answer(conversation) : conversation.close();
  });
  await using store = await TempStore.create();
  const options = { kv: store.path, since };
  await replicateOnce(`${origin.url}/servers`, options);
  await replicateOnce(`${origin.url}/servers`, { ...options, resync: true });
  await replicateOnce(`${origin.url}/servers`, { kv: store.path, resync: true });
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const cursor = "2026-01-31T12:00:00.5Z";
  assert.deepEqual(asked, [since, cursor, since, cursor, since, cursor, cursor]);
});

Deno.test("an overlap goes back from the text that the origin sent", async () => {
  const lines = ["2026-01-31 12:00:00.125+01", "2026-01-31 12:00:07.500+01"];
  const states = [lines, lines].map((times) => times.map((time, id) => line(id, time)));
  const asked = await follows(COMPARISONS.times, states, { overlap: "5s" });
  const [, last = ""] = lines;
  assert.deepEqual(asked, ["0", last, "2026-01-31 12:00:02.500+01", last]);
});

Deno.test("what databases and languages write for no deletion leaves a row alive", async () => {
  const marks = [
    0,
    "0",
    "",
    " ",
    "false",
    "FALSE",
    "0000-00-00 00:00:00",
    "0000-00-00",
    "-0001-11-30T00:00:00+00:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00",
    "0001-01-01 00:00:00",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00.000Z",
    "1970-01-01 00:00:00+00",
    "1970-01-01T01:00:00+01:00",
    "1969-12-31T19:00:00-05:00",
  ];
  const gone = ["1970-01-01T00:00:01Z", "2026-01-31T12:00:00Z", "yes", 1, true, "0001-01-02"];
  const rows = [...marks, ...gone].map((mark, id) => ({ id, updated_at: 1, deleted_at: mark }));
  const body = rows.map((row) => `${stringifyJson(row)}\n`).join("");
  await using origin = await MisbehavingOrigin.start(records(body));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.deepEqual(
    await stored(store.path),
    rows.slice(0, marks.length).map(stringifyJson).toSorted(),
  );
});

Deno.test("a value may be named that means deleted: no other does", async () => {
  const states = ["active", "archived", "", null, true];
  const rows = states.map((status, id) => ({ id, updated_at: 1, status }));
  const body = rows.map((row) => `${stringifyJson(row)}\n`).join("");
  await using origin = await MisbehavingOrigin.start(records(body));
  await using store = await TempStore.create();
  const url = `${origin.url}/servers`;
  await replicateOnce(url, { kv: store.path, deletedBy: "status=archived" });
  const live = rows.filter(({ status }) => status !== "archived");
  assert.deepEqual(await stored(store.path), live.map(stringifyJson).toSorted());
  await assert.rejects(replicateOnce(url, { kv: store.path, deletedBy: "status=active" }), {
    kind: "foreign-store",
    message: /deleted by status=archived/,
  });
  await replicateOnce(url, { kv: store.path, deletedBy: "status=active", resync: true });
  const others = rows.filter(({ status }) => status !== "active");
  assert.deepEqual(await stored(store.path), others.map(stringifyJson).toSorted());
});

Deno.test("a first fill that is nothing but deletions is said", async () => {
  const body = [1, 2, 3].map((id) => `{"id":${id},"updated_at":${id},"deleted_at":"no"}\n`).join(
    "",
  );
  await using origin = await MisbehavingOrigin.start(records(body));
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  const { warnings } = await replica.until((status) => status.warnings.length > 0, "a warning");
  assert.match(warnings.join(), /all \d+ records that came are deletions.*deleted_at/);
});
