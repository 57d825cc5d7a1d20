/** The status server as those meet it who mean no good: over real sockets. */

import assert from "node:assert/strict";
import { Admission } from "../../src/http/admission.ts";
import { Listener, listening } from "../../src/http/listener.ts";
import { systemClock } from "../../src/base/clock.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const PROGRAM = new URL("attack_program.ts", import.meta.url).pathname;

/** A program under a limit of descriptors, and what it says. */
class Limited implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  said = "";

  constructor(descriptors: number, output: "stdout" | "stderr", ...args: string[]) {
    this.#child = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        `ulimit -n ${descriptors}; exec "$@"`,
        "sh",
        ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet", ...args],
      ],
      stdin: "piped",
      stdout: output === "stdout" ? "piped" : "null",
      stderr: output === "stderr" ? "piped" : "null",
    }).spawn();
    this.#lines = this.#child[output].pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.said);
      if (match !== null) return match;
      const { value, done } = await this.#lines.read();
      assert.ok(!done, `it ended without saying ${pattern}:\n${this.said}`);
      this.said += value;
    }
  }

  async tell(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#lines.cancel();
  }
}

/** Connections that send this much and then nothing. */
class Idlers implements Disposable {
  readonly #open: Deno.Conn[] = [];
  readonly #port: number;

  constructor(url: string) {
    this.#port = Number(new URL(url).port);
  }

  async add(count: number, text = ""): Promise<void> {
    for (let n = 0; n < count; n++) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
      this.#open.push(connection);
      await connection.write(new TextEncoder().encode(text)).catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    for (const connection of this.#open) connection.close();
  }
}

async function health(url: string): Promise<string> {
  const answer = await fetch(new URL("healthz", url), {
    signal: AbortSignal.timeout(2_000),
    headers: { connection: "close" },
  });
  return await answer.text();
}

Deno.test("neither idle connections nor half-sent requests, however many, keep anybody out or end the replica", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using folder = await TempFolder.create();
  await using program = new Limited(256, "stderr", MAIN, ...[
    ...["--url", origin.url, "--kv", folder.file("kv"), "--status", "127.0.0.1:0"],
  ]);
  const [, url = ""] = await program.until(/status page at (\S+)/);
  await program.until(/live/);
  using idlers = new Idlers(url);
  for (const text of ["", "GET /status HTTP/1.1\r\nhost: lo", "GET /healthz HTTP/1.1\r\n"]) {
    await idlers.add(150, text);
    assert.equal(await health(url), "ok\n");
  }
  origin.table.put({ id: 2, ip: "192.0.2.2" });
  const row = async () => {
    const answer = await fetch(new URL("tables/servers/records/2", url));
    return [answer.status, await answer.text()] as const;
  };
  for (let found = await row(); found[0] !== 200; found = await row());
});

Deno.test("streams have a bound of their own, beyond which they are refused, and probes still answered", async () => {
  await using program = new Limited(400, "stdout", PROGRAM);
  const [url = ""] = await program.until(/http\S+/);
  const streams: Response[] = [];
  let refused = 0;
  for (let n = 0; n < 250; n++) {
    const answer = await fetch(new URL("events", url));
    if (answer.status === 503) {
      refused++;
      await answer.body?.cancel();
    } else streams.push(answer);
  }
  assert.ok(streams.length > 50 && refused > 20, `${streams.length} open, ${refused} refused`);
  assert.equal(await health(url), "ok\n");
  for (const { body } of streams) await body?.cancel();
});

Deno.test("a server that had no descriptor for a connection comes back by itself", async () => {
  await using program = new Limited(256, "stdout", PROGRAM);
  const [url = ""] = await program.until(/http\S+/);
  assert.equal(await health(url), "ok\n");
  await program.tell("full");
  await program.until(/full\n/);
  using idlers = new Idlers(url);
  await idlers.add(3);
  // Only then has it tried, and failed, to take one.
  await assert.rejects(health(url));
  await program.tell("free");
  await program.until(/error: the status server takes no connections: it starts again/);
  let said = "";
  for (let n = 0; n < 50 && said === ""; n++) {
    said = await health(url).catch(() => "");
    if (said === "") await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(said, "ok\n");
});

Deno.test("half a request ends after a while, with the reason", async () => {
  const quotas = { connections: 10, streams: 1, requests: 2, probes: 1 };
  let port = 0;
  const listener = await Listener.open(async (server) => {
    await listening(server, () => server.listen(0, "127.0.0.1"));
    const address = server.address();
    port = typeof address === "object" ? address?.port ?? 0 : 0;
    return { hostname: "127.0.0.1", port };
  }, {
    clock: systemClock,
    admission: new Admission(quotas, () => 0),
    handle: () => new Response("whole\n"),
    onError: (error) => assert.fail(error),
    onCrowded: () => {},
    headersMs: 200,
  });
  const heard = await Promise.all(["", "GET /half HT"].map(async (text) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode(text));
    return await new Response(connection.readable).text();
  }));
  for (const text of heard) assert.match(text, /^(HTTP\/1\.1 408 Request Timeout\r\n[^]*)?$/);
  await listener.close(0);
});

Deno.test("a limit of descriptors that is too low is one clear line", async () => {
  const args = ["--url", "http://127.0.0.1:9/servers", "--kv", ":memory:", "--no-status"];
  await using program = new Limited(48, "stderr", MAIN, ...args);
  const [line] = await program.until(/^.*\n/);
  assert.match(line, /only \d+ more files may be open at once, and 40 are needed; .*ulimit -n/);
  assert.equal((await program.status).code, 2);
});

/** What a server answers to these very bytes. */
async function say(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
  const reader = connection.readable.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return value ?? "";
}

Deno.test("requests that make no sense, or name another host, get a 4xx", async () => {
  await using program = new Limited(1_024, "stdout", PROGRAM);
  const [url = ""] = await program.until(/http\S+/);
  const host = new URL(url).host;
  for (
    const [text, status] of [
      [`GET http://evil.example/status HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 421],
      [`GET http://evil.example/status HTTP/1.1\r\nhost: evil.example\r\n\r\n`, 421],
      [`GET http://${host}/status HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 200],
      [`GET /status HTTP/1.1\r\nhost: ${host}\r\nhost: evil.example\r\n\r\n`, 421],
      [`GET /status HTTP/1.1\r\n\r\n`, 400],
      [`FROBNICATE /status HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 400],
      [`OPTIONS * HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 405],
      [`TRACE /status HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 405],
      [`GET status HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 400],
      [`GET /${"x".repeat(20_000)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 431],
    ] as const
  ) {
    const said = await say(url, text);
    assert.match(said, new RegExp(`^HTTP/1.1 ${status} `), `${text.slice(0, 60)}: ${said}`);
  }
  const head = await say(url, `HEAD /readyz HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const get = await say(url, `GET /readyz HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const lengthOf = (text: string) => /^content-length: (\d+)\r$/im.exec(text)?.[1];
  assert.notEqual(lengthOf(get), undefined);
  assert.equal(lengthOf(head), lengthOf(get));
  assert.ok(head.endsWith("\r\n\r\n"), "and no body");
});
