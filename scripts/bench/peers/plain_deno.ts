/**
 * What somebody writes in ten minutes: fetch, split at newlines, 500 records a `kv.atomic`, the
 * cursor inside.
 *
 * ```sh
 * deno run -A --unstable-kv plain_deno.ts URL SINCE FILE
 * ```
 *
 * @module
 */

const [url = "", since = "0", file = ""] = Deno.args;
const BATCH = 500;

const kv = await Deno.openKv(file);
const response = await fetch(`${url}/${since}`);
let operation = kv.atomic();
let count = 0;
let cursor: unknown = null;
let rest = "";

async function commit(): Promise<void> {
  await operation.set(["cursor"], cursor).commit();
  operation = kv.atomic();
  count = 0;
}

for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (line === "") continue;
    const record = JSON.parse(line);
    operation.set(["servers", record.id], record);
    cursor = record.updated_at;
    if (++count === BATCH) await commit();
  }
}
if (count > 0) await commit();
kv.close();
