/**
 * Many readers, and slow ones.
 */

import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder, TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { startFeed } from "./feed_replica.ts";
import { FeedProcess } from "./process.ts";

/** A client made of nothing but a socket; it reads when it is told to. */
class RawReader implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65_536);
  bytes = 0;
  /** The end of what it has read. */
  tail = "";

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number, since: number): Promise<RawReader> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = `GET /feed/servers/${since} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    return new RawReader(connection);
  }

  /** Reads until the text has come; false where the connection ended before. */
  async until(text: string): Promise<boolean> {
    const decoder = new TextDecoder();
    while (!this.tail.includes(text)) {
      const read = await this.#connection.read(this.#buffer).catch(() => null);
      if (read === null) return false;
      this.bytes += read;
      this.tail = (this.tail + decoder.decode(this.#buffer.subarray(0, read))).slice(-4096);
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

Deno.test("five hundred readers, a hundred of whom don't read, cost one process little memory", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ heartbeatMs: 100 });
  const text = "x".repeat(1000);
  for (let id = 0; id < 500; id++) origin.table.put({ id, text });
  await using feed = await FeedProcess.start(origin.url, folder.path, "feed");
  await feed.reached(String(origin.table.head));
  const before = (await feed.status())?.memoryBytes ?? 0;
  using stack = new DisposableStack();
  const readers: RawReader[] = [];
  for (let n = 0; n < 500; n++) readers.push(stack.use(await RawReader.open(feed.port, 0)));
  const awake = readers.slice(100);
  await Promise.all(awake.map((reader) => reader.until('"id":499')));
  for (let round = 0; round < 10; round++) {
    for (let id = 0; id < 50; id++) origin.table.put({ id, text, round });
    origin.table.put({ id: `round ${round}` });
    const came = await Promise.all(awake.map((reader) => reader.until(`"round ${round}"`)));
    assert.ok(came.every((is) => is), "who reads gets everything");
  }
  const after = (await feed.status())?.memoryBytes ?? 0;
  const grown = Math.round((after - before) / 2 ** 20);
  // A connection of node:http with its buffers (some 600 KiB), and a chunk of its own; not what it
  // has not read: that would be a mebibyte more for each.
  assert.ok(grown < 400, `${grown} MiB for 500 readers`);
});

Deno.test("a reader that takes nothing is cut off, while the others go on", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 0 }] });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  using deaf = await RawReader.open(feed.port, 0);
  using awake = await RawReader.open(feed.port, 0);
  await awake.until('"id":0');
  await waitFor(() => feed.feeds.readers === 2, "two readers");
  const text = "x".repeat(50_000);
  // Far more than any socket holds.
  let id = 1;
  for (; feed.feeds.readers === 2 && id < 2000; id++) {
    // The number last: that is what a reader remembers of the row.
    origin.table.put({ text, id });
    assert.ok(await awake.until(`"id":${id},`));
  }
  assert.equal(feed.feeds.readers, 1, `after ${id} rows`);
  assert.equal(await deaf.until("never"), false, "its connection is broken off");
  // It comes back to where it was, and gets the rest.
  using again = await RawReader.open(feed.port, 1001);
  assert.ok(await again.until(`"id":${id - 1},`));
});
