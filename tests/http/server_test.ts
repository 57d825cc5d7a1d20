import assert from "node:assert/strict";
import { StreamCutError } from "../../src/base/stream_cut_error.ts";
import { startStatusServer } from "../../src/http/server.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import { HandClock } from "../support/clock.ts";
import { TempFolder } from "../support/temp_store.ts";
import { EventReader } from "./request.ts";
import { StandIn } from "./stand_in.ts";

const FREE = { address: "127.0.0.1:0", explicit: true };

Deno.test("the server answers on its port until it is closed, and closing ends open streams", async () => {
  await using host = await StandIn.open("servers");
  const server = await startStatusServer(host, FREE);
  const streams = [];
  for (const path of ["events", "events/page", "tables/servers/changes"]) {
    streams.push(new EventReader(await fetch(server.url + path)));
  }
  for (const stream of streams) assert.notEqual(await stream.next(), null);
  await server.close();
  await server.close();
  for (const stream of streams) {
    while (await stream.next() !== null);
    await stream[Symbol.asyncDispose]();
  }
  await assert.rejects(fetch(server.url));
});

Deno.test("a client that never reads can't keep the server from closing", async () => {
  await using host = await StandIn.open("servers");
  const server = await startStatusServer(host, FREE);
  const { hostname, port } = new URL(server.url);
  using idle = await Deno.connect({ hostname, port: Number(port) });
  await idle.write(new TextEncoder().encode("GET /status HTTP/1.1\r\nhost: localhost\r\n"));
  using deaf = await Deno.connect({ hostname, port: Number(port) });
  await deaf.write(new TextEncoder().encode("GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  await server.close();
});

Deno.test("a reader that stops reading is cut off while the others go on", async () => {
  await using host = await StandIn.open("servers");
  const table = host.table("servers");
  const server = await startStatusServer(host, FREE);
  const { hostname, port } = new URL(server.url);
  using deaf = await Deno.connect({ hostname, port: Number(port) });
  await deaf.write(
    new TextEncoder().encode("GET /tables/servers/changes HTTP/1.1\r\nhost: localhost\r\n\r\n"),
  );
  await using events = new EventReader(await fetch(server.url + "tables/servers/changes"));
  await events.next();
  while (table.listeners === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const text = "x".repeat(60_000);
  let id = 0;
  // Far more than any socket buffers, while one of the two reads along.
  for (; id < 400; id++) {
    table.tell([{ kind: "put", key: [id], order: id, value: { id, text } }]);
    const seen = await events.next();
    assert.equal(JSON.parse(seen?.data ?? "").key[0], id);
  }
  assert.equal(server.openStreams, 1);
  await server.close();
});

Deno.test("an answer that breaks on purpose is no error, one that breaks by itself is", async () => {
  await using host = await StandIn.open("servers");
  const told: string[] = [];
  const body = (error: Error) =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{}\n")),
      pull: (controller) => controller.error(error),
    }, { highWaterMark: 0 });
  const server = await startStatusServer(host, {
    ...FREE,
    onError: ({ message }) => void told.push(message),
    mount: (app) => {
      app.get("/cut", () => new Response(body(new StreamCutError("ask again"))));
      app.get("/broken", () => new Response(body(new Error("disk I/O error"))));
    },
  });
  for (const path of ["cut", "broken"]) {
    await assert.rejects((await fetch(server.url + path)).text());
  }
  await server.close();
  assert.deepEqual(told, ["disk I/O error"]);
});

Deno.test("a taken default address makes way for a free port; a taken one that was asked for is an error", async () => {
  await using host = await StandIn.open("servers");
  const first = await startStatusServer(host, FREE);
  const address = new URL(first.url).host;
  const second = await startStatusServer(host, { address, explicit: false });
  assert.notEqual(second.url, first.url);
  assert.equal(await (await fetch(second.url + "healthz")).text(), "ok\n");
  await assert.rejects(
    startStatusServer(host, { address, explicit: true }),
    (error) =>
      error instanceof LockstepError && error.message.includes(address) &&
      error.hint.includes("--status"),
  );
  await second.close();
  await first.close();
});

Deno.test("an address that others reach needs a token file", async () => {
  await using folder = await TempFolder.create();
  await using host = await StandIn.open("servers");
  const open = { address: "0.0.0.0:0", explicit: true };
  await assert.rejects(startStatusServer(host, open), {
    kind: "usage",
    hint: /--status-token-file/,
  });
  const tokenFile = folder.file("token");
  await Deno.writeTextFile(tokenFile, "s3cret");
  const server = await startStatusServer(host, { ...open, tokenFile });
  const refused = await fetch(server.url + "status");
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate") ?? "", /^Basic/);
  await refused.body?.cancel();
  const answer = await fetch(server.url + "status", {
    headers: { authorization: "Bearer s3cret" },
  });
  assert.equal((await answer.json()).tables.length, 1);
  await server.close();
});

Deno.test("a unix socket works, is closed to others, and goes when the server does", async () => {
  await using folder = await TempFolder.create();
  await using host = await StandIn.open("servers");
  const path = folder.file("status.sock");
  const options = { address: `unix:${path}`, explicit: true };
  const server = await startStatusServer(host, options);
  assert.equal(server.url, options.address);
  assert.equal(((await Deno.stat(path)).mode ?? 0o777) & 0o007, 0);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  const answer = await fetch("http://anything/tables/servers/resync", { method: "POST", client });
  assert.equal(answer.status, 202);
  await answer.body?.cancel();
  await assert.rejects(startStatusServer(host, options), /in use by a running program/);
  await server.close();
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("a socket that a killed process left behind is taken over; any other file is left alone", async () => {
  await using folder = await TempFolder.create();
  await using host = await StandIn.open("servers");
  const path = folder.file("status.sock");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `Deno.listen({ transport: "unix", path: ${
        JSON.stringify(path)
      } }); console.log("up"); setInterval(() => {}, 1000);`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert((await Deno.lstat(path)).isSocket);
  const server = await startStatusServer(host, { address: `unix:${path}`, explicit: true });
  await server.close();

  await Deno.writeTextFile(path, "mine");
  await assert.rejects(
    startStatusServer(host, { address: `unix:${path}`, explicit: true }),
    /no socket/,
  );
  assert.equal(await Deno.readTextFile(path), "mine");
});

Deno.test("others can add routes behind the same guard", async () => {
  await using host = await StandIn.open("servers");
  const server = await startStatusServer(host, {
    ...FREE,
    mount: (app) => void app.get("/feed/:table/:since", (c) => c.text(c.req.param("since"))),
  });
  assert.equal(await (await fetch(server.url + "feed/servers/12")).text(), "12");
  await server.close();
});

Deno.test("where no feed is served, its address says which option serves one", async () => {
  await using host = await StandIn.open("servers");
  const server = await startStatusServer(host, FREE);
  const answer = await fetch(server.url + "feed/servers/0");
  assert.equal(answer.status, 404);
  assert.match(await answer.text(), /start with --feed/);
  await server.close();
});

Deno.test("hundreds of open event streams are served and closed", async () => {
  await using host = await StandIn.open("servers");
  const server = await startStatusServer(host, FREE);
  const readers = await Promise.all(
    Array.from({ length: 300 }, async () => new EventReader(await fetch(server.url + "events"))),
  );
  for (const reader of readers) assert.equal((await reader.next())?.event, "status");
  assert.equal(server.openStreams, 300);
  await server.close();
  for (const reader of readers) await reader[Symbol.asyncDispose]();
});

Deno.test("the charts get their samples also while nobody looks", async () => {
  await using host = await StandIn.open("servers");
  const clock = new HandClock();
  let asked = 0;
  host.table("servers").samples = () => {
    asked++;
    return [];
  };
  const server = await startStatusServer(host, { ...FREE, clock });
  await clock.advance(60_000);
  assert(asked >= 12, `asked ${asked} times in a minute`);
  await server.close();
});
