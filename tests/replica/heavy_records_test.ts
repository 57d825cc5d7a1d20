/**
 * Records, lines and bodies that expand to far more than they are: in a process of its own, whose
 * memory is measured.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** As the program is started: see the task in deno.json. */
const V8_FLAGS =
  "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=20,--no-parallel-scavenge";

/** The most that the process may ever have been resident, in MB: its base is 100. */
const MOST_MB = 300;

/** A replicator in a process of its own, and its status page. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly page: string;

  private constructor(process: Deno.ChildProcess, page: string) {
    this.#process = process;
    this.page = page;
  }

  static async start(url: string, kv: string): Promise<Child> {
    const args = ["--url", `items=${url}`, "--kv", kv, "--status", "127.0.0.1:0"];
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", V8_FLAGS, MAIN, ...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let text = "";
    const found = Promise.withResolvers<string>();
    const reading = async () => {
      for await (const part of process.stderr.pipeThrough(new TextDecoderStream())) {
        text += part;
        const page = /http:\/\/127\.0\.0\.1:\d+/.exec(text.replaceAll(url, ""))?.[0];
        if (page !== undefined) found.resolve(page);
      }
      found.reject(new Error(text));
    };
    reading().catch(() => {});
    return new Child(process, await found.promise);
  }

  /** The most that was ever resident, in MB. */
  async peakMb(): Promise<number> {
    const text = await Deno.readTextFile(`/proc/${this.#process.pid}/status`);
    return Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1]) / 1024;
  }

  async status(): Promise<{ rows: number; live: boolean; quarantined: number; bytes: number }> {
    const answer = await fetch(`${this.page}/status`);
    return (await answer.json()).tables[0];
  }

  /**
   * Waits for the table's end, and returns how long the page took, but for the slowest in twenty: on a
   * machine that is busy with other tests a process may have to wait for a processor.
   */
  async settled(rows: number): Promise<number> {
    const tookMs: number[] = [];
    await waitFor(
      async () => {
        const asked = performance.now();
        const status = await this.status();
        tookMs.push(performance.now() - asked);
        return status.live && status.rows === rows;
      },
      `${rows} rows`,
      60_000,
    );
    return tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length * 0.95) - 1] ?? 0;
  }

  /** How long it goes on after SIGTERM, in milliseconds. */
  async terminate(): Promise<number> {
    const begun = performance.now();
    this.#process.kill("SIGTERM");
    const { code } = await this.#process.status;
    assert.equal(code, 0);
    return performance.now() - begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#process.status;
  }
}

/** What the origin still has when it is asked from the end. */
const LAST = '{"id":2,"updated_at":6}\n';

const LENGTH = 14 * 2 ** 20;

/** Lists of what costs far more memory than bytes. */
const SHAPES: Readonly<Record<string, () => string>> = {
  "empty objects": () => `[${"{},".repeat(LENGTH / 3)}{}]`,
  "empty arrays": () => `[${"[],".repeat(LENGTH / 3)}[]]`,
  "arrays inside each other": () =>
    `[${`${"[".repeat(900)}${"]".repeat(900)},`.repeat(LENGTH / 1801)}1]`,
  "names that nothing else has": () =>
    `{${Array.from({ length: LENGTH / 9 }, (_, i) => `"${i.toString(36)}":1`).join()}}`,
};

for (const [name, text] of Object.entries(SHAPES)) {
  Deno.test(`14 MiB of ${name} cost the record, and neither the memory nor the table`, async () => {
    const body = `{"id":1,"updated_at":5}\n{"id":2,"updated_at":6,"x":${text()}}\n` +
      `{"id":3,"updated_at":7}\n`;
    const answer = records(gzipSync(body), { "content-encoding": "gzip" });
    await using origin = await MisbehavingOrigin.start(
      answer,
      records(`{"id":3,"updated_at":7}\n`),
    );
    await using store = await TempStore.create();
    await using child = await Child.start(`${origin.url}/items`, store.path);
    assert.ok(await child.settled(2) < 2_000);
    assert.ok((await child.status()).quarantined >= 1);
    const entries = await store.entries(["lockstep", "items", "quarantine"]);
    assert.match(JSON.stringify(entries), /too many values/);
    assert.ok(await child.peakMb() < MOST_MB, `${await child.peakMb()} MB`);
    assert.ok(await child.terminate() < 2_000);
  });
}

for (
  const [what, start, byte, end] of [["one line", '{"x":"', "x", '"}'], ["blanks", "", " ", ""]]
) {
  Deno.test(`1 GiB of ${what} in 1 MB of gzip: the page answers and SIGTERM is obeyed meanwhile`, async () => {
    const whole = new Uint8Array(2 ** 30 + 100).fill(byte?.charCodeAt(0) ?? 0);
    const encoder = new TextEncoder();
    whole.set(encoder.encode(`{"id":1,"updated_at":5}\n${start}`));
    const tail = encoder.encode(`${end}\n${LAST}`);
    whole.set(tail, whole.length - tail.length);
    const answer = records(gzipSync(whole, { level: 1 }), { "content-encoding": "gzip" });
    await using origin = await MisbehavingOrigin.start(answer, records(LAST));
    await using store = await TempStore.create();
    await using child = await Child.start(`${origin.url}/items`, store.path);
    const longestMs = await child.settled(2);
    assert.ok(longestMs < 2_000, `${longestMs} ms`);
    assert.ok(await child.peakMb() < MOST_MB, `${await child.peakMb()} MB`);
    origin.next(answer, records(LAST));
    await using another = await TempStore.create();
    await using second = await Child.start(`${origin.url}/items`, another.path);
    const { bytes } = await waitFor(async () => {
      const status = await second.status();
      return status.bytes > 2 ** 24 ? status : null;
    }, "it is in the middle of it");
    assert.ok(bytes < 2 ** 30);
    assert.ok(await second.terminate() < 2_000);
  });
}
