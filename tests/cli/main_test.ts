import assert from "node:assert/strict";
import { RUNTIME_FLAGS } from "../../scripts/permissions.ts";
import { replicate } from "../../src/replica/replicator.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as a child process, without anything from this one's environment that it reads. */
function program(args: readonly string[], cwd: string, environment: Record<string, string> = {}) {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !/^(LOCKSTEP_|NOTIFY_SOCKET|JOURNAL_STREAM|.*_proxy$)/i.test(name)
  );
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...RUNTIME_FLAGS, MAIN, ...args],
    cwd,
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...environment },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(
  args: readonly string[],
  cwd: string,
  environment: Record<string, string> = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await program(args, cwd, environment).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A program that goes on running, and what it has said so far. */
class Running implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  #stderr = "";
  #heard: () => void = () => {};
  readonly #reading: Promise<void>;

  constructor(args: readonly string[], cwd: string, environment: Record<string, string> = {}) {
    this.child = program(args, cwd, environment).spawn();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    await this.child.stdout.cancel();
    for await (const text of this.child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr += text;
      this.#heard();
    }
    this.#heard();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until it has said this. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    let hasEnded = false;
    const ended = this.#reading.then(() => hasEnded = true);
    for (;;) {
      const match = pattern.exec(this.#stderr);
      if (match !== null) return match;
      assert.ok(!hasEnded, `it ended without saying ${pattern}: ${this.#stderr}`);
      await Promise.race([new Promise<void>((resolve) => this.#heard = resolve), ended]);
    }
  }

  async ends(signal?: Deno.Signal): Promise<number> {
    if (signal !== undefined) this.child.kill(signal);
    await this.#reading;
    return (await this.child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.ends();
  }
}

const ROWS = [
  { id: 1, name: "one" },
  { id: 2, big: 9007199254740993n },
  { id: "3", name: "drei\u2028" },
];

Deno.test("--once fills the store; get, list and export read it; data is all there is on stdout", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const filled = await run(["--", "--url", origin.url, "--once", "--no-status"], folder.path);
  assert.equal(filled.code, 0, filled.stderr);
  assert.equal(filled.stdout, "");
  assert.match(filled.stderr, /live with 3 rows/);

  const one = await run(["get", "servers", "1"], folder.path);
  assert.equal(one.code, 0);
  assert.equal(one.stderr, "");
  assert.equal(JSON.parse(one.stdout).name, "one");
  assert.equal(JSON.parse((await run(["get", "servers", "3"], folder.path)).stdout).id, "3");

  const missing = await run(["--kv", "./state", "get", "servers", "4"], folder.path);
  assert.deepEqual(missing, { code: 1, stdout: "", stderr: "no row 4 in servers\n" });

  const exported = await run(["export", "servers"], folder.path);
  assert.equal(exported.code, 0);
  const lines = exported.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.ok(lines[1]?.includes('"big":9007199254740993'), lines[1]);
  const orders = lines.map((line) => JSON.parse(line).updated_at);
  assert.deepEqual(orders, orders.toSorted((a, b) => a - b));

  const keys = await run(["list", "servers", "--keys-only", "--limit", "2"], folder.path);
  assert.deepEqual(keys.stdout.trimEnd().split("\n"), ["3", "1"]);
  const after = await run(["list", "servers", "--keys-only", "--after", "1"], folder.path);
  assert.equal(after.stdout, "2\n");

  const unknown = await run(["list", "zones"], folder.path);
  assert.equal(unknown.code, 1);
  assert.equal(unknown.stdout, "");
  assert.match(unknown.stderr, /^the store .*state has no table "zones"; it has "servers"\n$/);
});

Deno.test("one table's failure is said at once, lets the others end, and is the exit status", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const urls = ["--url", origin.url, "--url", `zones=${origin.url}/no/such/path`];
  const ended = await run([...urls, "--once", "--no-status"], folder.path);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /zones: .* 404/);
  assert.match(ended.stderr, /servers: live with 3 rows/);
  assert.equal((await run(["list", "servers"], folder.path)).stdout.trim().split("\n").length, 3);
});

Deno.test("reading a store that isn't there makes none", async () => {
  await using folder = await TempFolder.create();
  const { code, stdout, stderr } = await run(["list", "servers", "--kv", "gone"], folder.path);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^error: there is no store at .*gone\nhint: /);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a process that holds its table's lock is running, though its status page gives no answer", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const kv = folder.file("replica.kv");
  const replicator = await replicate({
    url: origin.url,
    table: "servers",
    kv,
    statusUrl: "http://127.0.0.1:9",
  });
  const running = await run(["status", "--kv", kv], folder.path);
  assert.match(running.stderr, new RegExp(`process ${Deno.pid} on .* gives no answer`));
  assert.doesNotMatch(running.stderr, /no replica is running/);
  assert.equal(running.code, 1);
  await replicator.stop();
  const stopped = await run(["status", "--kv", kv], folder.path);
  assert.match(stopped.stderr, /no replica is running/);
  assert.equal(stopped.code, 2);
});

Deno.test("a reader of the output that has had enough is no failure", async () => {
  const rows = Array.from({ length: 3000 }, (_, id) => ({ id, filler: "x".repeat(300) }));
  await using origin = startTestOrigin({ rows, finite: true });
  await using folder = await TempFolder.create();
  const filled = await run(["--", "--url", origin.url, "--once", "--no-status"], folder.path);
  assert.equal(filled.code, 0, filled.stderr);
  for (const command of ["list", "export"]) {
    const child = program([command, "servers"], folder.path).spawn();
    const reader = child.stdout.getReader();
    const first = await reader.read();
    assert.ok(!first.done);
    await reader.cancel();
    const stderr = await new Response(child.stderr).text();
    assert.deepEqual([(await child.status).code, stderr], [0, ""], command);
  }
});

Deno.test("an origin that is odd in every answer is said to be so once, not with each of them", async () => {
  await using folder = await TempFolder.create();
  const asked = Promise.withResolvers<void>();
  let count = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    if (++count === 20) asked.resolve();
    // It never has the row at the cursor again.
    return new Response(JSON.stringify({ id: count, updated_at: 1000 + count }) + "\n");
  });
  const url = `http://127.0.0.1:${server.addr.port}/servers`;
  await using running = new Running(["--url", url, "--poll", "10ms", "--no-status"], folder.path);
  await asked.promise;
  assert.equal(await running.ends("SIGTERM"), 0);
  assert.equal(running.stderr.match(/lacks the row at the cursor/g)?.length, 1, running.stderr);
});

Deno.test("wrong usage exits 2, names the option, and starts nothing", async () => {
  await using folder = await TempFolder.create();
  const none = await run([], folder.path);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^error: --url is missing/);
  const wrong = await run([], folder.path, { LOCKSTEP_URL: "http://h/a", LOCKSTEP_POLL: "soon" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^error: LOCKSTEP_POLL: "soon" is not a duration/);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a file that was never there ends a start with 1, so that a service is tried again", async () => {
  await using folder = await TempFolder.create();
  await Deno.writeTextFile(folder.file("empty.pem"), "");
  const url = ["--url", "http://127.0.0.1:9/servers", "--kv", ":memory:"];
  for (const option of ["--ca", "--header-file", "--status-token-file", "--kv-token-file"]) {
    const { code, stderr } = await run([...url, option, "none"], folder.path);
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      new RegExp(`error: ${option} "none" can't be read: there is no such file`),
    );
  }
  const { code, stderr } = await run([...url, "--ca", "empty.pem"], folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /--ca empty\.pem has no certificate in it; give PEM text/);
  assert.deepEqual([...Deno.readDirSync(folder.path)].length, 1, "nothing was started");
});

Deno.test("an origin that stays away fails --once with 1, the reason, and a hint", async () => {
  await using folder = await TempFolder.create();
  // A port that was free a moment ago.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const url = `http://127.0.0.1:${port}/servers`;
  const args = ["--url", url, "--once", "--attempts", "1", "--no-status"];
  const failed = await run([...args, "--log-format", "json"], folder.path);
  assert.equal(failed.code, 1);
  assert.equal(failed.stdout, "");
  const lines = failed.stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  const error = lines.find(({ level }) => level === "error");
  assert.match(error.error, /127\.0\.0\.1/);
  assert.ok(error.hint.length > 0);

  const quiet = await run([...args, "--quiet"], folder.path);
  assert.equal(quiet.code, 1);
  assert.equal(quiet.stderr.trimEnd().split("\n").length, 1, quiet.stderr);
});

Deno.test("SIGTERM and SIGINT end a running replica with 0; --quiet says nothing at all", async () => {
  await using origin = startTestOrigin({ rows: ROWS });
  await using folder = await TempFolder.create();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const args = ["--url", origin.url, "--status", "127.0.0.1:0"];
    await using running = new Running(args, folder.path);
    await running.says(/live with 3 rows/);
    assert.equal(await running.ends(signal), 0, running.stderr);
    assert.match(running.stderr, /servers: stopped/);
  }
  const args = ["--url", origin.url, "--once", "--quiet", "--no-status"];
  assert.deepEqual(await run(args, folder.path), { code: 0, stdout: "", stderr: "" });
});

Deno.test("status finds the running process through the store and tells live from not running", async () => {
  await using origin = startTestOrigin({ rows: ROWS });
  await using folder = await TempFolder.create();
  const nothing = await run(["status"], folder.path);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /there is no store/);
  await using running = new Running(["--url", origin.url, "--status", "0"], folder.path);
  await running.says(/live with 3 rows/);
  await running.says(/status page at /);

  const people = await run(["status"], folder.path);
  assert.equal(people.code, 0, people.stderr);
  assert.match(people.stdout, /\nservers\n {2}state +live since /);
  const programs = await run(["status", "--json"], folder.path);
  assert.equal(programs.code, 0);
  assert.equal(JSON.parse(programs.stdout).pid, running.child.pid);

  assert.equal(await running.ends("SIGTERM"), 0);
  const stopped = await run(["status", "--json"], folder.path);
  assert.equal(stopped.code, 2);
  assert.equal(JSON.parse(stopped.stdout).tables[0].rows, 3);
});

Deno.test("status asks at --status, also through a unix socket and with a token; not live is 1", async () => {
  await using folder = await TempFolder.create();
  const token = folder.file("token");
  await Deno.writeTextFile(token, "s3cret-s3cret-s3cret\n");
  // An origin that never answers.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/servers`;
  const unix = ["--status", `unix:${folder.file("socket")}`];
  {
    await using running = new Running(["--url", url, ...unix], folder.path);
    await running.says(/status page at unix:/);
    assert.equal((await run(["status", ...unix], folder.path)).code, 1);
    assert.equal((await run(["status"], folder.path)).code, 1);
    await running.ends("SIGTERM");
  }
  assert.equal((await run(["status", ...unix], folder.path)).code, 2);
  const guarded = ["--status", "127.0.0.1:0", "--status-token-file", token];
  await using running = new Running(["--url", url, ...guarded], folder.path);
  await running.says(/status page at http/);
  const refused = await run(["status"], folder.path);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /401: give its --status-token-file/);
  const told = await run(["status", "--status-token-file", token], folder.path);
  assert.equal(told.code, 1);
  assert.match(told.stdout, /\nservers\n/);
  assert.ok(!(running.stderr + told.stdout + told.stderr).includes("s3cret"));
});

Deno.test("quarantine shows what could not be stored, escaped, and clears it", async () => {
  await using folder = await TempFolder.create();
  const lines = ['{"id":1,"updated_at":1}', "\x1b[2Jbad", '{"id":2}'];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(lines.join("\n"), { headers: { "content-type": "application/json" } }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/servers`;
  assert.equal((await run(["--url", url, "--once", "--no-status"], folder.path)).code, 0);
  const shown = await run(["quarantine", "servers"], folder.path);
  assert.equal(shown.stdout.trimEnd().split("\n").length, 2);
  assert.match(shown.stdout, /#1 \S+ not JSON.*: \\x1b\[2Jbad\n/);
  assert.equal(shown.stderr, "2 shown, 2 quarantined in all\n");
  const cleared = await run(["quarantine", "servers", "--json", "--clear"], folder.path);
  const reasons = cleared.stdout.trimEnd().split("\n").map((line) => JSON.parse(line).reason);
  assert.deepEqual(reasons, [
    'no field "updated_at" (--order-by); the record has: id',
    "not JSON",
  ]);
  assert.equal(cleared.stderr, "2 removed\n");
  assert.equal((await run(["quarantine", "servers"], folder.path)).stdout, "");
});

Deno.test("resync and approve are told to the running process, or left for the next one", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const args = ["--url", origin.url, "--once", "--no-status"];
  assert.equal((await run(args, folder.path)).code, 0);
  const none = await run(["approve", "servers"], folder.path);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no sweep of "servers" is held/);
  const left = await run(["resync", "servers"], folder.path);
  assert.equal(left.code, 0);
  assert.match(left.stderr, /the next one will do it/);
  const next = await run(args, folder.path);
  assert.equal(next.code, 0);
  assert.match(next.stderr, /resynced/, "also one that is over before its first beat");
});

Deno.test("hold outlives restarts, release ends it, and both are in the history", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const args = ["--url", origin.url, "--once", "--no-status"];
  assert.equal((await run(args, folder.path)).code, 0);
  assert.equal((await run(["hold", "servers"], folder.path)).code, 0);
  for (const _ of [1, 2]) {
    const held = await run(args, folder.path);
    assert.deepEqual([held.code, /on hold since/.test(held.stderr)], [1, true], held.stderr);
  }
  assert.match((await run(["status"], folder.path)).stdout, /on hold +since/);
  const refused = await run(["drop", "servers"], folder.path);
  assert.deepEqual([refused.code, /release it first/.test(refused.stderr)], [1, true]);
  assert.equal((await run(["release", "servers"], folder.path)).code, 0);
  assert.equal((await run(args, folder.path)).code, 0);
  const { stdout } = await run(["history", "servers"], folder.path);
  assert.match(stdout, /release: commits go on\n[^\n]*hold: stopped by a person\n/);
});

Deno.test("drop removes a table, everything beside it, and no other", async () => {
  await using origin = startTestOrigin({ rows: ROWS, finite: true });
  await using folder = await TempFolder.create();
  const args = (
    table: string,
  ) => ["--url", origin.url, "--table", table, "--once", "--no-status", "--feed"];
  assert.equal((await run(args("servers"), folder.path)).code, 0);
  assert.equal((await run(args("serve"), folder.path)).code, 0);
  const gone = await run(["drop", "servers"], folder.path);
  assert.equal(gone.code, 0, gone.stderr);
  assert.match(gone.stderr, /VACUUM/);
  {
    using kv = await Deno.openKv(`${folder.path}/state`);
    const keys = (await Array.fromAsync(kv.list({ prefix: [] }))).map(({ key }) => key);
    assert.deepEqual(keys.filter((key) => key.includes("servers")), []);
    assert.ok(keys.some((key) => key[0] === "serve"));
    assert.ok(keys.some((key) => key[1] === "serve" && key[2] === "cursor"));
  }
  assert.equal((await run(["drop", "servers"], folder.path)).code, 1);
  assert.equal((await run(args("servers"), folder.path)).code, 0, "it is filled anew");
});

Deno.test("unit and man print to stdout and touch nothing", async () => {
  await using folder = await TempFolder.create();
  const unit = await run(["unit", "--url", "http://h/servers", "--feed"], folder.path);
  assert.equal(unit.code, 0, unit.stderr);
  assert.match(unit.stdout, /--url http:\/\/h\/servers/);
  const bare = await run(["unit"], folder.path);
  assert.equal(bare.code, 0, bare.stderr);
  assert.match(bare.stdout, /^EnvironmentFile=\/etc/m, "its URL is in a file that has to be there");
  assert.equal((await run(["unit", "--url", "nonsense"], folder.path)).code, 2);
  const template = await run(["unit", "--template"], folder.path);
  assert.equal(template.code, 0, template.stderr);
  const manual = await run(["man"], folder.path);
  assert.match(manual.stdout, /^\.TH LOCKSTEP-REPLICATE 1 /);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

interface Module {
  readonly specifier: string;
  readonly dependencies?: { readonly isDynamic?: boolean; readonly code?: { specifier: string } }[];
}

Deno.test("reading a row loads neither the HTTP server nor the replicator", async () => {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json", MAIN] });
  const graph = JSON.parse(new TextDecoder().decode((await info.output()).stdout));
  const modules = new Map<string, Module>(
    graph.modules.map((module: Module) => [module.specifier, module]),
  );
  const get = [...modules.keys()].find((name) => name.endsWith("src/cli/commands/get.ts"));
  assert.ok(get !== undefined);
  const loaded = new Set<string>([...graph.roots, get]);
  for (const name of loaded) {
    for (const { isDynamic, code } of modules.get(name)?.dependencies ?? []) {
      if (!isDynamic && code !== undefined) loaded.add(code.specifier);
    }
  }
  assert.ok([...loaded].some((name) => name.endsWith("src/store/read/table_reader.ts")));
  for (const name of loaded) {
    assert.doesNotMatch(name, /hono|uplot|src\/http\/server|src\/replica\/re|src\/feed/);
  }
});
