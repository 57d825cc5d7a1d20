/**
 * Who writes a table, across processes and PID namespaces.
 *
 * @module
 */

import assert from "node:assert/strict";
import { LEASE_MS } from "../../src/store/table/lease.ts";
import type { CrashOptions } from "../support/crash_runner.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const RUNNER = new URL("../support/crash_runner.ts", import.meta.url).pathname;

/** A PID namespace of one's own: the program is process 1 in it, and the host's name stays. */
const NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"] as const;

/** A replicator in a process of its own. */
class Writer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #errors: Promise<string>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(options: Omit<CrashOptions, "killAt">, wrapper: readonly string[] = []) {
    const args = ["run", "-A", "--no-check", "--quiet", RUNNER];
    const json = JSON.stringify({ killAt: 0, once: false, ...options });
    const [command = "", ...rest] = [...wrapper, Deno.execPath(), ...args, json];
    this.#child = new Deno.Command(command, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#errors = new Response(this.#child.stderr).text();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Resolves when it has the table; rejects with what it said when it hasn't. */
  async started(): Promise<void> {
    const { value } = await this.#reader.read();
    if (value === undefined) throw new Error(await this.#errors);
  }

  /** Its exit code and what it said. */
  async ended(): Promise<{ readonly code: number; readonly said: string }> {
    const { code } = await this.#child.status;
    return { code, said: await this.#errors };
  }

  async kill(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
    await this.#reader.cancel();
    await this.ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill("SIGKILL");
  }
}

async function canUnshare(): Promise<boolean> {
  try {
    const [command, ...args] = NAMESPACE;
    const trying = new Deno.Command(command, {
      args: [...args, "true"],
      stdout: "null",
      stderr: "null",
    });
    return (await trying.output()).success;
  } catch {
    return false;
  }
}

Deno.test("a writer that was killed is replaced at once", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const options = { url: origin.url, kv: store.path };
  const killed = new Writer(options);
  await killed.started();
  await killed.kill("SIGKILL");
  const began = performance.now();
  await using next = new Writer(options);
  await next.started();
  assert.ok(performance.now() - began < LEASE_MS * 2 / 3);
});

Deno.test("in two PID namespaces of one host name, neither takes over the other while it lives", async (test) => {
  if (!await canUnshare()) {
    console.log("skipped: this user may not make a PID namespace (unshare)");
    await test.step({ name: "no PID namespaces here", ignore: true, fn: () => {} });
    return;
  }
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const options = { url: origin.url, kv: store.path };
  await using first = new Writer(options, NAMESPACE);
  await first.started();
  // Its own number there is the first one's here, and its time runs faster.
  await using second = new Writer({ ...options, pace: 20 }, NAMESPACE);
  const { code, said } = await second.ended();
  assert.equal(code, 1, said);
  assert.match(said, /is being written by process 1 on /);
  origin.table.put({ id: 2 });
  const kv = await store.open();
  await waitFor(async () => (await kv.get(["servers", 2])).value !== null, "the first goes on");
  await first.kill("SIGKILL");
  await using third = new Writer(options, NAMESPACE);
  await third.started();
});

Deno.test("processes with different tables start on a fresh store together", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  for (let round = 0; round < 3; round++) {
    await using store = await TempStore.create();
    const writers = ["a", "b", "c"].map((table) =>
      new Writer({ url: origin.url, kv: store.path, table })
    );
    try {
      await Promise.all(writers.map((writer) => writer.started()));
    } finally {
      await Promise.all(writers.map((writer) => writer.kill("SIGTERM")));
    }
  }
});
