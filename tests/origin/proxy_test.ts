import assert from "node:assert/strict";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";

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

Deno.test("a proxy from the environment is used, and NO_PROXY is heeded", async () => {
  await using proxy = await MisbehavingOrigin.start(records(BODY));
  await using origin = await MisbehavingOrigin.start(records("{}\n"));
  const env = { http_proxy: proxy.url, HTTP_PROXY: proxy.url };
  assert.equal(await readIn(env, "http://origin.invalid/servers"), BODY);
  assert.equal(proxy.requests[0]?.path, "http://origin.invalid/servers/5");
  const url = `${origin.url}/servers`;
  assert.equal(await readIn({ ...env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" }, url), "{}\n");
  assert.equal(proxy.requests.length, 1);
});
