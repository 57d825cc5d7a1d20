/**
 * How long a change takes from the origin's write until another process can read it in the store.
 *
 * It listens to the origin, as the replicator does; now and then it takes the newest record there
 * and reads its row, over a connection of its own, until the store has it. The pauses between are
 * random, so that it doesn't keep step with the commits.
 *
 * ```sh
 * deno run -A --unstable-kv latency_probe.ts URL FILE SECONDS
 * ```
 *
 * Prints `{"latencies": […], "arrivals": […]}`, in milliseconds; an arrival is the time until the
 * change came over the wire to a reader that stores nothing.
 *
 * @module
 */

const [url = "", file = "", length = "10"] = Deno.args;

/** The longest pause between two samples, in milliseconds. */
const PAUSE_MS = 10;

/** A row that takes longer than this is counted as this. */
const PATIENCE_MS = 5_000;

interface Written {
  readonly id: number;
  readonly deleted_at: unknown;
  readonly written_at: number;
}

const kv = await Deno.openKv(file);
const now = () => performance.timeOrigin + performance.now();
const stop = AbortSignal.timeout(Number(length) * 1000);
const latencies: number[] = [];
const arrivals: number[] = [];
let isBusy = false;

async function sample(record: Written): Promise<void> {
  isBusy = true;
  for (;;) {
    const { value } = await kv.get<Written>(["servers", record.id]);
    const passed = now() - record.written_at;
    if ((value !== null && value.written_at >= record.written_at) || passed > PATIENCE_MS) {
      latencies.push(passed);
      break;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS));
  isBusy = false;
}

let rest = "";
try {
  const response = await fetch(`${url}/${Date.now()}`, { signal: stop });
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    const line = lines.findLast((line) => line !== "");
    if (isBusy || line === undefined) continue;
    const record: Written = JSON.parse(line);
    // A tombstone leaves no row to look at.
    if (record.deleted_at !== null || record.written_at === undefined) continue;
    arrivals.push(now() - record.written_at);
    void sample(record);
  }
} catch (error) {
  if (!stop.aborted) throw error;
}
while (isBusy) await new Promise((resolve) => setTimeout(resolve, 1));
kv.close();
console.log(JSON.stringify({ latencies, arrivals }));
