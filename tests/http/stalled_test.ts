/** Readers that don't read: what they cost the replica, which runs as a process of its own. */

import assert from "node:assert/strict";
import type { JsonObject } from "../../src/protocol/record.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";
import { LargeTexts } from "../../src/http/large_texts.ts";
import { systemClock } from "../../src/base/clock.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** What readers that don't read may cost, the program itself included. */
const MOST_BYTES = 250_000_000;

/** A replica's process, live, and its page. */
async function startProgram(url: string, kv: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--quiet"],
      "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=20,--no-parallel-scavenge",
      ...[MAIN, "--url", url, "--kv", kv, "--status", "127.0.0.1:0"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  const until = async (pattern: RegExp) => {
    for (let match = pattern.exec(said);; match = pattern.exec(said)) {
      if (match !== null) return match[1] ?? "";
      const { value, done } = await lines.read();
      assert.ok(!done, said);
      said += value;
    }
  };
  const page = await until(/status page at (\S+)/);
  await until(/( live )/);
  return {
    page,
    residentBytes: () => {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await lines.cancel();
    },
  };
}

/** Asks, and reads nothing. */
async function stall(page: string, path: string): Promise<Deno.Conn> {
  const { hostname, port } = new URL(page);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const request = `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  return connection;
}

/** How long every second probe takes at most, in milliseconds, and the greatest size meanwhile. */
async function probe(program: Awaited<ReturnType<typeof startProgram>>, times: number) {
  const took: number[] = [];
  let bytes = 0;
  for (let n = 0; n < times; n++) {
    const start = performance.now();
    assert.equal(await (await fetch(new URL("healthz", program.page))).text(), "ok\n");
    took.push(performance.now() - start);
    bytes = Math.max(bytes, program.residentBytes());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // The other half is left to what else runs on the machine.
  const slow = took.sort((a, b) => a - b)[times >> 1] ?? Infinity;
  return { slow, bytes };
}

/** Readers of these paths, once they have got what the system holds for them. */
async function withStalled(
  rows: JsonObject[],
  paths: readonly string[],
): Promise<{ slow: number; bytes: number }> {
  await using origin = startTestOrigin({ rows });
  await using folder = await TempFolder.create();
  await using program = await startProgram(origin.url, folder.file("kv"));
  await fetch(new URL("healthz", program.page)).then((answer) => answer.text());
  const stalled: Deno.Conn[] = [];
  for (const path of paths) stalled.push(await stall(program.page, path));
  const found = await probe(program, 100);
  for (const connection of stalled) connection.close();
  return found;
}

const isLinux = Deno.build.os === "linux";

Deno.test({
  name: "two hundred readers of a thousand rows that don't read cost little, and the probe answers",
  ignore: !isLinux,
  async fn() {
    const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, text: "x".repeat(4_000) }));
    const paths = Array.from({ length: 200 }, () => "/tables/servers/records?limit=1000");
    const { bytes } = await withStalled(rows, paths);
    assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
  },
});

Deno.test({
  name: "sixty readers of a record of 15 MiB that don't read cost little, and the probe answers",
  ignore: !isLinux,
  async fn() {
    const rows = [{ id: 1, text: "x".repeat(15 * 1024 * 1024) }];
    const paths = Array.from({ length: 60 }, () => "/tables/servers/records/1");
    const { bytes } = await withStalled(rows, paths);
    assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
  },
});

Deno.test("large texts are shared by name, bounded together, and let go", async () => {
  const texts = new LargeTexts(systemClock, 100);
  let made = 0;
  const make = () => {
    made++;
    return Promise.resolve(new Uint8Array(60));
  };
  const [one, same] = await Promise.all([texts.hold("a", 60, make), texts.hold("a", 60, make)]);
  assert.ok(typeof one === "object" && typeof same === "object");
  assert.equal(made, 1);
  const other = texts.hold("b", 60, make);
  one.release();
  one.release();
  assert.equal(texts.sizeBytes, 60, "the other one still reads");
  same.release();
  const next = await other;
  assert.ok(typeof next === "object");
  next.release();
  assert.equal(await texts.hold("c", 60, () => Promise.resolve(null)), "gone");
  assert.equal(texts.sizeBytes, 0);
});
