import assert from "node:assert/strict";
import { createClient } from "../../src/base/http_client.ts";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { runTool } from "../support/tools.ts";

const BODY = '{"id":1,"updated_at":5}\n';

/** Reads a URL in a process of its own, because the environment is looked at once. */
async function readIn(env: Record<string, string>, url: string): Promise<string> {
  const source = new URL("../../src/origin/", import.meta.url).href;
  const program = `
    import { connect } from "${source}connect.ts";
    import { Endpoint } from "${source}endpoint.ts";
    import { OriginClient } from "${source}tls_client.ts";
    using client = new OriginClient();
    const answer = await connect(new Endpoint(Deno.args[0]), 5, { client });
    for await (const bytes of answer.body) await Deno.stdout.write(bytes);
  `;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program, url],
    env: { HTTP_PROXY: "", http_proxy: "", NO_PROXY: "", no_proxy: "", ...env },
    cwd: new URL("../../", import.meta.url),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const NOWHERE = "http://origin.invalid/servers";

Deno.test("a proxy from the environment is used, and NO_PROXY is heeded", async () => {
  await using proxy = await MisbehavingOrigin.start(records(BODY));
  const env = { http_proxy: proxy.url, HTTP_PROXY: proxy.url };
  assert.equal(await readIn(env, NOWHERE), BODY);
  assert.equal(proxy.requests[0]?.path, `${NOWHERE}/5`);
  const without = { ...env, NO_PROXY: "origin.invalid", no_proxy: "origin.invalid" };
  await assert.rejects(readIn(without, NOWHERE), /can't be resolved/);
  assert.equal(proxy.requests.length, 1);
});

Deno.test("an origin on this machine is asked by no proxy, whatever the environment says", async () => {
  await using proxy = await MisbehavingOrigin.start(records("{}\n"));
  await using origin = await MisbehavingOrigin.start(records(BODY));
  const names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
  const env = Object.fromEntries(names.map((name) => [name, proxy.url]));
  for (const host of ["127.0.0.1", "localhost"]) {
    assert.equal(await readIn(env, `http://${host}:${origin.port}/servers`), BODY, host);
  }
  const others = { ...env, NO_PROXY: "elsewhere.example", no_proxy: "elsewhere.example" };
  assert.equal(await readIn(others, `${origin.url}/servers`), BODY);
  assert.equal(proxy.requests.length, 0);
  assert.equal(await readIn(others, NOWHERE), "{}\n", "and everybody else is");
});

Deno.test("the environment is the same after a client was made", () => {
  const before = Deno.env.toObject();
  createClient({}).close();
  assert.deepEqual(Deno.env.toObject(), before);
});

Deno.test("a status is asked for by no proxy", async () => {
  await using proxy = await MisbehavingOrigin.start(records("{}\n"));
  const status = JSON.stringify({ program: "lockstep-replicate", tables: [] });
  await using page = await MisbehavingOrigin.start(records(status));
  const source = new URL("../../src/", import.meta.url).href;
  const { code, stdout, stderr } = await runTool(Deno.execPath(), [
    "eval",
    "--no-check",
    `import { askStatus } from "${source}cli/ask_status.ts";
     console.log(JSON.stringify(await askStatus(Deno.args[0], null)));`,
    page.url,
  ], { env: { http_proxy: proxy.url, HTTP_PROXY: proxy.url, ALL_PROXY: proxy.url } });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).kind, "status", stdout);
  assert.equal(proxy.requests.length, 0);
});

Deno.test("a unix socket is asked whatever NO_PROXY says", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/status.sock`;
  await using server = Deno.serve({ path, onListen() {} }, () => new Response("here"));
  const names = ["NO_PROXY", "no_proxy"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.set(name, "*");
  try {
    using client = createClient({ proxy: { transport: "unix", path } });
    assert.equal(await (await fetch("http://localhost/", { client })).text(), "here");
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
