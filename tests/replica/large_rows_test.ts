/**
 * Rows too large for one value, which change while the table is live: each takes a commit of its own
 * for its parts, so that several wait for the committer at once.
 */

import type { JsonObject } from "../../src/protocol/record.ts";
import { assertTable } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

/** A row of 130 KB: three parts. */
function largeRow(id: number, order: number): JsonObject {
  return { id, updated_at: order, deleted_at: null, text: `${order}`.padEnd(130_000, "x") };
}

/** An open answer that announces its head, and goes on with what is put. */
class LargeRowsOrigin implements AsyncDisposable {
  readonly rows = new Map<number, JsonObject>();
  head = 0;
  readonly #readers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => this.#answer(Number(url.split("/").at(-1))),
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/servers`;
  }

  put(id: number): void {
    const row = largeRow(id, ++this.head);
    this.rows.delete(id);
    this.rows.set(id, row);
    for (const reader of this.#readers) reader.enqueue(line(row));
  }

  #answer(since: number): Response {
    let reader: ReadableStreamDefaultController<Uint8Array> | null = null;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = controller;
        for (const row of this.rows.values()) {
          if (Number(row["updated_at"]) >= since) controller.enqueue(line(row));
        }
        this.#readers.add(controller);
      },
      cancel: () => {
        if (reader !== null) this.#readers.delete(reader);
      },
    });
    return new Response(body, {
      headers: { "content-type": "application/x-ndjson", "lockstep-head": `${this.head}` },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers) reader.close();
    await this.#server.shutdown();
  }
}

function line(row: JsonObject): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(row)}\n`);
}

Deno.test("large rows that keep changing never make a replica stand still", async () => {
  await using origin = new LargeRowsOrigin();
  for (let id = 0; id < 150; id++) origin.put(id);
  // A replica is in danger once, as its first fill ends: so several are tried.
  for (let run = 0; run < 4; run++) {
    await using store = await TempStore.create();
    {
      await using replica = await startReplica(origin.url, { kv: store.path });
      for (let round = 0; round < 40; round++) {
        for (const id of [round, 149 - round, 75]) origin.put(id);
        const behind = () => origin.head - Number(replica.status.cursor ?? 0);
        await waitFor(() => behind() < 10, "what was put to be stored");
      }
      await replica.reached(origin.head);
    }
    await assertTable(await store.open(), [...origin.rows.values()]);
  }
});
