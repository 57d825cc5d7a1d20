/**
 * `deno task demo`: the whole thing on one machine. Starts the reference origin with the places of
 * the GeoNames gazetteer, changes some of them all the time, and starts the replicator on it.
 *
 * ```sh
 * deno task demo                        # until Ctrl-C
 * deno task demo --seconds 10           # ends with a comparison of copy and origin; exit 0 if equal
 * deno task demo --kv ./my-demo.kv      # keeps the store; default: a temporary one
 * ```
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ProcessStatus, TableStatus } from "../src/replica/status.ts";
import { RUNTIME_FLAGS } from "./permissions.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");

/** Live changes a second at the origin. */
const RATE = 20;

/** The row that is shown, by its key. */
const SHOWN = "42";

/** How long copy and origin may differ after the changes have stopped, in milliseconds. */
const PATIENCE = 30_000;

/** How long a program may take to end by itself before it is told to, in milliseconds. */
const GRACE = 300;

/** What the demo runs on. */
interface Setup {
  readonly origin: Deno.ChildProcess;
  readonly replicator: Deno.ChildProcess;
  readonly url: string;
  readonly kv: string;
  readonly statusUrl: string;
  /** Aborts at the first sign of the end: a signal, the time is over, a program ended. */
  readonly stop: AbortSignal;
}

function say(text: string): void {
  // The replicator keeps a progress line on the terminal: write over it, not behind it.
  console.log(Deno.stdout.isTerminal() ? `\r\x1b[K${text}` : text);
}

/** How this Deno is called by whoever started the demo. */
function denoCommand(): string {
  return Deno.env.get("npm_command") === "exec" ? `npx --yes deno@${Deno.version.deno}` : "deno";
}

function program(args: readonly string[], stdout: "piped" | "inherit"): Deno.ChildProcess {
  const run = ["run", "--quiet", ...RUNTIME_FLAGS, join(ROOT, "main.ts"), ...args];
  return new Deno.Command(Deno.execPath(), { args: run, stdin: "null", stdout }).spawn();
}

/** Starts the origin; resolves when it listens, with its address. */
async function startOrigin(): Promise<{ origin: Deno.ChildProcess; url: string; rows: number }> {
  const script = join(ROOT, "scripts", "origin", "main.ts");
  const options = ["--data", "cities", "--rate", String(RATE), "--port", "0"];
  const origin = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", script, ...options],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of origin.stdout.values({ preventCancel: true })) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes("\n")) break;
  }
  if (!text.includes("\n")) throw new Error("the reference origin didn't start (see above)");
  return { origin, ...JSON.parse(text) };
}

/** The usual port of the status page, or a free one. */
function statusPort(): number {
  for (const port of [4568, 0]) {
    try {
      using listener = Deno.listen({ port, hostname: "127.0.0.1" });
      return listener.addr.port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no free port on 127.0.0.1");
}

/** Waits, or returns at once when the demo ends. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
  });
}

/** The table's status once it is live; null where the demo ended before. */
async function live({ statusUrl, stop }: Setup): Promise<TableStatus | null> {
  while (!stop.aborted) {
    try {
      const status: ProcessStatus = await (await fetch(`${statusUrl}/status`)).json();
      const table = status.tables[0];
      if (table?.live) return table;
    } catch (error) {
      // It doesn't listen yet.
      if (!(error instanceof TypeError)) throw error;
    }
    await pause(100, stop);
  }
  return null;
}

/** What `lockstep-replicate ARGS` prints. */
async function outputOf(args: readonly string[]): Promise<string> {
  const { stdout, success } = await program(args, "piped").output();
  if (!success) throw new Error(`${args.join(" ")} failed (see above)`);
  return new TextDecoder().decode(stdout);
}

/** Tells the newcomer what there is to see, once the copy is complete. */
async function tour(setup: Setup, started: number): Promise<void> {
  const table = await live(setup);
  if (table === null) return;
  const rows = `${table.rowsExact ? "" : "about "}${table.rows.toLocaleString("en")}`;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const get = ["get", "cities", SHOWN, "--kv", setup.kv];
  const row = (await outputOf(get)).trimEnd();
  say(`
The copy is complete: ${rows} rows, ${seconds} s after the replicator was started.
The origin goes on changing ${RATE} rows a second, and the copy follows.

Read a row, from another terminal in this folder:

    ${denoCommand()} task start ${get.join(" ")}

${row}

All rows:       ${denoCommand()} task start export cities --kv ${setup.kv}
Status page:    ${setup.statusUrl}/
The origin:     curl '${setup.url}/0?finite=1'
Stop:           Ctrl-C
`);
}

/** Records by key, in a form that can be compared. */
function byKey(ndjson: string): Map<string, string> {
  const rows = new Map<string, string>();
  for (const line of ndjson.split("\n")) {
    if (line === "") continue;
    const record: Record<string, unknown> = JSON.parse(line);
    rows.set(String(record["id"]), JSON.stringify(Object.entries(record).toSorted()));
  }
  return rows;
}

/** Stops the changes and compares copy and origin, row by row. */
async function compare({ url, kv }: Setup): Promise<boolean> {
  await (await fetch(new URL("/rate/0", url), { method: "POST" })).body?.cancel();
  const origin = byKey(await (await fetch(`${url}/0?finite=1`)).text());
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const copy = byKey(await outputOf(["export", "cities", "--kv", kv]));
    const different = [...origin].filter(([key, row]) => copy.get(key) !== row).length +
      [...copy.keys()].filter((key) => !origin.has(key)).length;
    if (different > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    say(`rows at the origin: ${origin.size}`);
    say(`rows in the copy:   ${copy.size}`);
    say(different === 0 ? "equal: yes, every field" : `equal: no, ${different} rows differ`);
    return different === 0;
  }
}

/** Ends a program; resolves with its exit status. A Ctrl-C has reached it already. */
async function end(child: Deno.ChildProcess): Promise<number> {
  const timer = setTimeout(() => child.kill("SIGTERM"), GRACE);
  const { code } = await child.status;
  clearTimeout(timer);
  return code;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args.filter((arg) => arg !== "--"),
    options: { seconds: { type: "string" }, kv: { type: "string" } },
  });
  const seconds = values.seconds === undefined ? Infinity : Number(values.seconds);
  if (!(seconds > 0)) {
    throw new TypeError(`--seconds ${values.seconds}: a number above 0 is wanted`);
  }
  const controller = new AbortController();
  const stop = controller.signal;
  const interrupt = () => controller.abort("interrupted");
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);

  await using folder = new AsyncDisposableStack();
  let kv = values.kv;
  if (kv === undefined) {
    const path = await Deno.makeTempDir({ prefix: "lockstep-demo-" });
    folder.defer(() => Deno.remove(path, { recursive: true }));
    kv = join(path, "replica.kv");
  }
  say("Starting an origin with the places of the GeoNames gazetteer …");
  const { origin, url, rows } = await startOrigin();
  const status = `127.0.0.1:${statusPort()}`;
  const args = ["--url", `cities=${url}`, "--kv", kv, "--status", status];
  say(`${rows.toLocaleString("en")} rows are at ${url}`);
  say(`Starting: lockstep-replicate ${args.join(" ")}`);
  const started = performance.now();
  const replicator = program(args, "inherit");
  const setup: Setup = { origin, replicator, url, kv, statusUrl: `http://${status}`, stop };

  for (const child of [origin, replicator]) {
    child.status.then(() => controller.abort("a program ended by itself"));
  }
  let good = true;
  try {
    await Promise.all([
      tour(setup, started),
      Number.isFinite(seconds)
        ? pause(seconds * 1000, stop).then(() => controller.abort("the time is over"))
        : null,
      new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true })),
    ]);
    if (stop.reason === "the time is over") good = await compare(setup);
    else good = stop.reason === "interrupted";
    if (!good) console.error(`demo: ${stop.reason}`);
  } finally {
    const statuses = await Promise.all([end(replicator), end(origin)]);
    good &&= statuses.every((code) => code === 0);
  }
  return good ? 0 : 1;
}

if (import.meta.main) {
  let code = 1;
  try {
    code = await main();
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : error}`);
    code = error instanceof TypeError ? 2 : 1;
  }
  Deno.exit(code);
}
