/**
 * The floor of latency: one process commits a row to Deno KV, another reads it.
 *
 * ```sh
 * deno run -A --unstable-kv raw_latency.ts FILE SECONDS         # writes, then ends
 * deno run -A --unstable-kv raw_latency.ts FILE SECONDS read    # prints {"latencies": […]}
 * ```
 *
 * @module
 */

const [file = "", length = "5", role = "write"] = Deno.args;

/** Between two writes, in milliseconds: far more than one takes. */
const PAUSE_MS = 10;

const kv = await Deno.openKv(file);
const now = () => performance.timeOrigin + performance.now();
const end = now() + Number(length) * 1000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (role === "write") {
  while (now() < end) {
    await kv.set(["probe"], now());
    await pause(Math.random() * 2 * PAUSE_MS);
  }
} else {
  const latencies: number[] = [];
  let last = (await kv.get<number>(["probe"])).value ?? 0;
  while (now() < end) {
    const { value } = await kv.get<number>(["probe"]);
    if (value !== null && value > last) {
      latencies.push(now() - value);
      last = value;
      // Look away for less than the next write takes to come, most times.
      await pause(PAUSE_MS / 4);
    }
  }
  console.log(JSON.stringify({ latencies: latencies.slice(1) }));
}
kv.close();
