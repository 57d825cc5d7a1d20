/**
 * Origins whose answer is the same most of the time: a polled file costs a 304 and nothing else.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  type Behaviour,
  encoded,
  MisbehavingOrigin,
  records,
  status,
} from "../support/misbehaving_origin.ts";
import { Nginx } from "../support/nginx.ts";
import { assertTable } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { testWith } from "../support/tools.ts";
import { waitFor } from "../support/wait_for.ts";

type Item = Readonly<Record<"id" | "updated_at", number>>;

const lines = (rows: readonly Item[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const ROWS: readonly Item[] = Array.from(
  { length: 50 },
  (_, i) => ({ id: i, updated_at: i + 1 }),
);

/** A file that is served whole, whatever is asked for; with 304 to who names its tag. */
function file(tag: string, rows: readonly Item[]): Behaviour {
  return (conversation) => {
    const isSame = conversation.request.headers["if-none-match"] === tag;
    const behaviour = isSame ? status(304, { etag: tag }) : records(lines(rows), { etag: tag });
    return behaviour(conversation);
  };
}

Deno.test("a file that is the same is asked for by its tag, and read again when it changes", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(file('"1"', ROWS));
  await using replica = await startReplica(`${origin.url}/x?since={since}`, { kv: store.path });
  await replica.live();
  const tags = () => origin.requests.map(({ headers }) => headers["if-none-match"]);
  await waitFor(() => tags().filter((tag) => tag === '"1"').length >= 3, "three are conditional");
  const first = tags().indexOf('"1"');
  // From the beginning, then from the cursor: another request, so without a condition.
  assert.equal(first, 2);
  const { bytes } = replica.status;
  const more = origin.requests.length + 3;
  await waitFor(() => origin.requests.length >= more, "three more requests");
  assert.equal(replica.status.bytes, bytes, "nothing was read");
  assert.equal(replica.status.live, true);
  assert.ok(!replica.status.warnings.some((text) => text.includes("lacks the row")));
  const changed = [...ROWS, { id: 99, updated_at: 60 }];
  origin.next(file('"2"', changed));
  await replica.reached(60);
  await assertTable(await store.open(), changed);
  assert.deepEqual(replica.status.errors, []);
});

Deno.test("a resync asks for everything, and a failure forgets what the last answer was", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(file('"1"', ROWS));
  await using replica = await startReplica(`${origin.url}/x`, { kv: store.path });
  const last = () => origin.requests.at(-1)?.headers["if-none-match"];
  await waitFor(() => last() === '"1"', "a conditional request");
  origin.next(status(503), file('"1"', ROWS));
  await waitFor(() => replica.status.errors.length > 0, "a failure");
  const isForgotten = () =>
    origin.requests.some(({ headers }, i, all) =>
      !("if-none-match" in headers) && "if-none-match" in (all[i - 1]?.headers ?? {})
    );
  await waitFor(isForgotten, "a request without a condition behind the failure");
  await waitFor(() => last() === '"1"', "a conditional request again");
  const before = origin.requests.length;
  replica.replica.requestResync("for the test");
  await waitFor(
    () => origin.requests.slice(before).some(({ headers }) => !("if-none-match" in headers)),
    "a request without a condition",
  );
  await replica.until((status) => status.live, "live behind the resync");
  await assertTable(await store.open(), ROWS);
});

Deno.test("a compressed body of two members is stored whole; what is left over behind one is said", async () => {
  const gzip = (rows: readonly Item[]) => new Uint8Array(gzipSync(lines(rows)));
  await using store = await TempStore.create();
  const [five, three] = [ROWS.slice(0, 5), ROWS.slice(5, 8)];
  const rest = new TextEncoder().encode("rest");
  await using origin = await MisbehavingOrigin.start(encoded("gzip", gzip(five), rest));
  await using replica = await startReplica(`${origin.url}/x`, { kv: store.path });
  const { errors } = await replica.until(({ errors }) => errors.length > 0, "an error");
  assert.match(errors[0]?.message ?? "", /left over behind its end/);
  assert.equal(replica.status.live, false);
  origin.next(encoded("gzip", gzip(five), gzip(three)));
  await replica.reached(8);
  await assertTable(await store.open(), [...five, ...three]);
});

testWith(["nginx"], "a compressed file behind nginx is polled for the price of a 304", async () => {
  await using store = await TempStore.create();
  await using nginx = await Nginx.start({
    http: "default_type application/x-ndjson; gzip_static always;",
    server: "etag on;",
    files: { "servers.ndjson.gz": new Uint8Array(gzipSync(lines(ROWS))) },
  });
  const path = `${nginx.root}/servers.ndjson.gz`;
  // nginx's tag is made of date and size: within the second of a change it isn't believed.
  const modified = new Date(Date.now() - 10_000);
  await Deno.utime(path, modified, modified);
  const url = `${nginx.url}/servers.ndjson?since={since}`;
  await using replica = await startReplica(url, { kv: store.path });
  await replica.live();
  const unchanged = async () => (await nginx.requests()).filter((line) => line.endsWith(" 304 0"));
  await waitFor(async () => (await unchanged()).length >= 3, "three times 304");
  const changed = [...ROWS, { id: 99, updated_at: 60 }];
  await Deno.writeFile(path, new Uint8Array(gzipSync(lines(changed))));
  await replica.reached(60);
  await assertTable(await store.open(), changed);
});
