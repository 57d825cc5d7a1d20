import assert from "node:assert/strict";
import { TEST_CACHE, testExecutable } from "../support/executable.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { testUnless } from "../support/tools.ts";
import { Host, noHost } from "./host.ts";

const ENV = { LOCKSTEP_CACHE_DIR: TEST_CACHE };

/** A running executable whose log can be waited for. */
class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  log = "";

  constructor(command: Deno.Command) {
    this.#child = command.spawn();
    this.#lines = this.#child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async logged(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.log);
      if (match !== null) return match;
      const { value, done } = await this.#lines.read();
      assert.ok(!done, `it ended without saying ${pattern}:\n${this.log}`);
      this.log += value;
    }
  }

  async end(signal: Deno.Signal): Promise<number> {
    this.#child.kill(signal);
    while (true) {
      const { value, done } = await this.#lines.read();
      if (done) break;
      this.log += value;
    }
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#lines.cancel();
    await this.#child.stdout.cancel();
    await this.#child.status;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

const rows = Array.from({ length: 500 }, (_, id) => ({ id, ip: `10.0.0.${id}` }));

testUnless(noHost, "the executable says which build it is", async () => {
  await using host = await Host.make();
  const said = await host.run(await testExecutable(), ["--version"], ENV);
  assert.deepEqual(said, {
    code: 0,
    stdout: `lockstep-replicate 0.0.0-test (commit 0123456789ab, Deno ${Deno.version.deno})\n`,
    stderr: "",
  });
});

testUnless(
  noHost,
  "the executable calls itself lockstep-replicate in help and in errors",
  async () => {
    await using host = await Host.make();
    const help = await host.run(await testExecutable(), ["--help"], ENV);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /lockstep-replicate/);
    assert.doesNotMatch(help.stdout, /program-|\.mjs|deno run/);
    const wrong = await host.run(await testExecutable(), ["--bogus"], ENV);
    assert.equal(wrong.code, 2);
    assert.doesNotMatch(wrong.stderr, /program-|\.mjs|deno run/);
  },
);

testUnless(
  noHost,
  "the executable copies, serves its page, hands out rows, and stops when told",
  async () => {
    await using host = await Host.make();
    await using origin = startTestOrigin({ rows });
    const path = await testExecutable();
    const store = `${host.folder}/state.kv`;
    {
      await using running = new Running(
        host.command(path, ["--url", origin.url, "--kv", store], ENV),
      );
      const [, url] = await running.logged(/status page at (http:\S+)/);
      const base = `${url}`.replace(/\/$/, "");
      while (!(await fetch(`${base}/readyz`).then((r) => (r.body?.cancel(), r))).ok) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const status = await (await fetch(`${base}/status`)).json();
      assert.equal(status.pid, running.pid);
      assert.equal(status.tables[0].rows, rows.length);
      const page = await (await fetch(`${base}/`)).text();
      assert.match(page, /^<!DOCTYPE html>/i);
      const one = await host.run(path, ["get", "servers", "7", "--kv", store], ENV);
      assert.equal(one.code, 0);
      assert.equal(JSON.parse(one.stdout).ip, "10.0.0.7");
      assert.equal(await running.end("SIGTERM"), 0);
    }
    const all = await host.run(path, ["export", "servers", "--kv", store], ENV);
    assert.deepEqual([all.code, all.stdout.trim().split("\n").length], [0, rows.length]);
  },
);

testUnless(
  noHost,
  "the executable serves its page where it was told to, and is found there",
  async () => {
    await using host = await Host.make();
    await using origin = startTestOrigin({ rows });
    const path = await testExecutable();
    const store = `${host.folder}/state.kv`;
    const address = `127.0.0.1:${freePort()}`;
    await using running = new Running(
      host.command(path, ["--url", origin.url, "--kv", store, "--status", address], ENV),
    );
    const [, url] = await running.logged(/status page at (http:\S+)/);
    assert.equal(url, `http://${address}/`);
    await running.logged(/live with/);
    const status = await host.run(path, ["status", "--kv", store], ENV);
    assert.deepEqual([status.code, status.stderr], [0, ""]);
    assert.equal(await running.end("SIGTERM"), 0);
  },
);

testUnless(noHost, "an executable that is killed goes on where it was", async () => {
  await using host = await Host.make();
  await using origin = startTestOrigin({ rows });
  const path = await testExecutable();
  const store = `${host.folder}/state.kv`;
  const args = ["--url", origin.url, "--kv", store, "--no-status"];
  const count = async () => {
    const { stdout } = await host.run(path, ["export", "servers", "--kv", store], ENV);
    return stdout === "" ? 0 : stdout.trim().split("\n").length;
  };
  {
    await using running = new Running(host.command(path, args, ENV));
    while (await count() === 0) assert.equal(typeof running.pid, "number");
    await running.end("SIGKILL");
  }
  for (let id = 500; id < 600; id++) origin.table.put({ id, ip: "10.1.1.1" });
  const before = origin.requests.length;
  const once = await host.run(path, [...args, "--once"], ENV);
  assert.equal(once.code, 0, once.stderr);
  assert.ok(origin.requests.length > before);
  assert.equal(await count(), 600);
});
