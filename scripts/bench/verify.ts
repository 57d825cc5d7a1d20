/**
 * Looks into a store after a run: are the rows there?
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { type Data, sourceOf } from "./data.ts";

/** Rows looked at, spread over all. */
const SAMPLES = 200;

/** Compares a sample of the rows with what the origin has; returns what is wrong, or null. */
export async function storedRows(
  store: "kv" | "sqlite",
  file: string,
  data: Data,
  generation: number,
): Promise<string | null> {
  const read = store === "kv" ? await kvReader(file) : sqliteReader(file);
  try {
    const source = sourceOf(data, generation);
    for (let sample = 0; sample < SAMPLES; sample++) {
      const record = source.record(Math.floor(sample / (SAMPLES - 1) * (data.rows - 1)));
      const id = Number(record["id"]);
      const order = await read(id);
      const wanted = record["deleted_at"] === null ? record["updated_at"] : null;
      if (order !== wanted) return `row ${id} has the order ${order}, not ${wanted}`;
    }
    return null;
  } finally {
    read.close();
  }
}

type Reader = ((id: number) => Promise<unknown>) & { close: () => void };

async function kvReader(file: string): Promise<Reader> {
  const kv = await Deno.openKv(file);
  const read = async (id: number) => {
    const { value } = await kv.get<{ updated_at: unknown }>(["servers", id]);
    return value?.updated_at ?? null;
  };
  return Object.assign(read, { close: () => kv.close() });
}

function sqliteReader(file: string): Reader {
  const database = new DatabaseSync(file, { readOnly: true });
  const select = database.prepare("SELECT updated_at FROM servers WHERE id = ?");
  const read = (id: number) => Promise.resolve(select.get(id)?.["updated_at"] ?? null);
  return Object.assign(read, { close: () => database.close() });
}
