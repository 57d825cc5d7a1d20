import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { parseAddress } from "../../src/http/address.ts";
import { hostAllowed, sameOrigin } from "../../src/http/guard.ts";
import { headerText, parseHeaderText } from "../../src/http/headers.ts";
import { TokenFile } from "../../src/http/token.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import { TempFolder } from "../support/temp_store.ts";
import { ask } from "./request.ts";
import { StandIn } from "./stand_in.ts";
import fc from "fast-check";

Deno.test("a foreign Host is refused on every path but /healthz", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  for (
    const path of ["/", "/status", "/metrics", "/readyz", "/tables/servers/records", "/nothing"]
  ) {
    const answer = await ask(app, path, { headers: { host: "evil.example" } });
    assert.equal(answer.status, 421, path);
    assert(!(await answer.text()).includes("servers"));
  }
  const answer = await ask(app, "/healthz", { headers: { host: "evil.example" } });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
});

Deno.test("Host may be a loopback name, an address, or a name that was configured", () => {
  const options = { hosts: ["replica.internal"] };
  const yes = ["localhost", "LOCALHOST:1", "127.0.0.1:4568", "[::1]:80", "x.localhost", "10.1.2.3"];
  for (const host of [...yes, "replica.internal:4568"]) assert(hostAllowed(host, options), host);
  const no = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "1.2.3.4.5",
    "",
    "a@b",
  ];
  for (const host of no) assert(!hostAllowed(host, options), host);
  assert(!hostAllowed(null, options));
});

Deno.test("a POST is taken from the server's own page only", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  const post = async (headers: Record<string, string>) => {
    const answer = await ask(app, "/tables/servers/resync", {
      method: "POST",
      headers: { host: "127.0.0.1:4568", ...headers },
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await post({}), 403);
  assert.equal(await post({ origin: "https://evil.example" }), 403);
  assert.equal(await post({ origin: "null" }), 403);
  assert.equal(await post({ origin: "http://127.0.0.1:9999" }), 403);
  assert.equal(await post({ "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await post({ "sec-fetch-site": "same-site" }), 403);
  assert.equal(
    await post({ "sec-fetch-site": "same-origin", origin: "https://evil.example" }),
    403,
  );
  assert.deepEqual(host.table("servers").resyncs, []);
  assert.equal(await post({ origin: "http://127.0.0.1:4568" }), 202);
  assert.equal(await post({ "sec-fetch-site": "same-origin" }), 202);
  assert.equal(host.table("servers").resyncs.length, 2);
});

Deno.test("with a token file everything but /healthz wants the token, and a changed file counts", async () => {
  await using folder = await TempFolder.create();
  await using host = await StandIn.open("servers");
  const path = folder.file("token");
  await Deno.writeTextFile(path, "first\n");
  const app = createApp(host, { token: await TokenFile.open(path) });
  const status = async (route: string, authorization?: string, more: RequestInit = {}) => {
    const headers = { host: "any.example", ...(authorization ? { authorization } : {}) };
    const answer = await ask(app, route, {
      ...more,
      headers: { ...headers, ...more.headers as object },
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await status("/healthz"), 200);
  assert.equal(await status("/status"), 401);
  assert.equal(await status("/readyz", "Bearer wrong"), 401);
  assert.equal(await status("/readyz", "Bearer"), 401);
  assert.equal(await status("/status", "Bearer first"), 200);
  assert.equal(await status("/status", `Basic ${btoa("me:first")}`), 200);
  assert.equal(await status("/status", "Basic %%%"), 401);
  const resync = "/tables/servers/resync";
  assert.equal(await status(resync, "Bearer first", { method: "POST" }), 202);
  // A browser adds Basic credentials to what a foreign page sends, too.
  assert.equal(await status(resync, `Basic ${btoa("me:first")}`, { method: "POST" }), 403);

  await Deno.writeTextFile(path, "the-second-one\n");
  assert.equal(await status("/status", "Bearer first"), 401);
  await Deno.writeTextFile(path, "second!\n");
  assert.equal(await status("/status", "Bearer second!"), 200);
  await Deno.remove(path);
  assert.equal(await status("/status", "Bearer second!"), 401);
});

Deno.test("an empty or missing token file is an error that says what to write", async () => {
  await using folder = await TempFolder.create();
  const path = folder.file("token");
  const named = (error: unknown) =>
    error instanceof LockstepError && error.kind === "usage" && error.message.includes(path);
  await assert.rejects(TokenFile.open(path), named);
  for (const text of [" \n", "two words\n"]) {
    await Deno.writeTextFile(path, text);
    await assert.rejects(TokenFile.open(path), named);
  }
});

Deno.test("every answer forbids inline scripts, framing and sniffing, and promises no HSTS", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  const refused: RequestInit & { headers: Record<string, string> } = {
    headers: { host: "evil.example" },
  };
  for (
    const answer of [
      await ask(app, "/"),
      await ask(app, "/metrics"),
      await ask(app, "/nothing"),
      await ask(app, "/status", refused),
    ]
  ) {
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert(!policy.includes("unsafe"));
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("strict-transport-security"), null);
    await answer.body?.cancel();
  }
});

Deno.test("methods that a path doesn't take are refused with what it takes", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  const headers = { "sec-fetch-site": "same-origin" };
  const take = async (method: string, path: string) => {
    const answer = await ask(app, path, { method, headers });
    await answer.body?.cancel();
    return [answer.status, answer.headers.get("allow")];
  };
  assert.deepEqual(await take("POST", "/status"), [405, "GET, HEAD"]);
  assert.deepEqual(await take("DELETE", "/tables/servers/records/1"), [405, "GET, HEAD"]);
  assert.deepEqual(await take("GET", "/tables/servers/resync"), [405, "POST"]);
  assert.deepEqual((await take("HEAD", "/"))[0], 200);
  assert.deepEqual((await take("HEAD", "/events"))[0], 200);
  assert.equal(app.openStreams, 0);
});

Deno.test("any text in a header comes out on one line of printable ASCII, and back unchanged", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const header = headerText(text);
    assert.match(header, /^[!-~]([ -~]*[!-~])?$|^$/);
    assert.equal(parseHeaderText(header), text.toWellFormed());
  }));
  assert.equal(headerText("2026-11-22T22:26:05.123Z"), "2026-11-22T22:26:05.123Z");
});

Deno.test("a request without any word of its origin is not our page's", () => {
  assert(!sameOrigin(new Request("http://localhost:1/x", { method: "POST" })));
});

Deno.test("addresses are read as people write them, and refused with what is accepted", () => {
  const tcp = (hostname: string, port: number) => ({ kind: "tcp", hostname, port });
  assert.deepEqual(parseAddress("4568"), tcp("127.0.0.1", 4568));
  assert.deepEqual(parseAddress("0.0.0.0:80"), tcp("0.0.0.0", 80));
  assert.deepEqual(parseAddress("[::1]:80"), tcp("::1", 80));
  assert.deepEqual(parseAddress("replica.internal:80"), tcp("replica.internal", 80));
  assert.deepEqual(parseAddress("unix:/run/x.sock"), { kind: "unix", path: "/run/x.sock" });
  for (
    const text of ["", "localhost", "1:2:3", "::1:80", "host:99999", "unix:", "http://x:1", ":80"]
  ) {
    assert.throws(() => parseAddress(text), { kind: "usage", hint: /HOST:PORT/ }, text);
  }
});

Deno.test("a page of another origin may not read, the server's own and programs may", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host, { hosts: ["replica.example"] });
  const status = async (origin: string | null) => {
    const headers: Record<string, string> = { host: "127.0.0.1:4568" };
    if (origin !== null) headers.origin = origin;
    const answer = await ask(app, "/status", { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  for (const origin of [null, "http://127.0.0.1:4568", "https://replica.example"]) {
    assert.equal(await status(origin), 200, `${origin}`);
  }
  for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", "nonsense"]) {
    assert.equal(await status(origin), 403, origin);
  }
});

Deno.test("other methods are refused with what a path takes, whoever asks", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
    for (const path of ["/", "/status", "/tables/servers/records/1", "/tables/servers/resync"]) {
      const answer = await ask(app, path, { method });
      await answer.body?.cancel();
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.match(answer.headers.get("allow") ?? "", /GET, HEAD|POST/);
    }
  }
});

Deno.test("keys that no store could hold, or that have too many parts, are none", async () => {
  await using host = await StandIn.open("servers");
  const app = createApp(host);
  const status = async (path: string) => {
    const answer = await ask(app, path);
    await answer.body?.cancel();
    return answer.status;
  };
  for (const length of [1_900, 2_040, 2_048, 2_049, 3_000]) {
    const key = "k".repeat(length);
    assert.equal(await status(`/tables/servers/records/${key}`), 404, `${length}`);
    const after = encodeURIComponent(JSON.stringify([key]));
    const expected = length < 2_000 ? 200 : 400;
    assert.equal(await status(`/tables/servers/records?after=${after}`), expected, `${length}`);
  }
  assert.equal(await status(`/tables/servers/records/${"1/".repeat(30)}`), 404);
  assert.equal(await status("/tables/servers/records/%ff"), 400);
  assert.equal(await status("/tables/servers/records/%00"), 404);
  assert.equal(await status("/tables/servers/records?after=%5B%5D"), 400);
});
