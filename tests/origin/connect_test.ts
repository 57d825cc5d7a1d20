import assert from "node:assert/strict";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { type Answer, connect, type ConnectOptions } from "../../src/origin/connect.ts";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { OriginClient } from "../../src/origin/tls_client.ts";
import { type ErrorKind, LockstepError, type Retry } from "../../src/protocol/errors.ts";
import { HandClock } from "../support/clock.ts";
import { concat } from "../support/conversation.ts";
import {
  badChunk,
  type Behaviour,
  chunk,
  chunked,
  closeDelimited,
  drop,
  encoded,
  endless,
  gzipped,
  head,
  html,
  lengthy,
  MisbehavingOrigin,
  raw,
  records,
  silent,
  status,
  trickling,
} from "../support/misbehaving_origin.ts";

const BODY = '{"id":1,"updated_at":5}\n{"id":2,"updated_at":6}\n';

async function textOf(answer: Answer): Promise<string> {
  let text = "";
  for await (const bytes of answer.body ?? []) text += new TextDecoder().decode(bytes);
  return text;
}

/** Asks an origin that behaves so; connections are closed afterwards. */
async function ask<T>(
  behaviour: Behaviour,
  use: (answer: Answer, origin: MisbehavingOrigin) => Promise<T>,
  options: ConnectOptions = {},
): Promise<T> {
  await using origin = await MisbehavingOrigin.start(behaviour);
  using client = new OriginClient();
  const answer = await connect(new Endpoint(`${origin.url}/servers`), 5, { client, ...options });
  return await use(answer, origin);
}

/** The error of a request, or of its body, with what came before it. */
async function failureOf(
  behaviour: Behaviour,
  options: ConnectOptions = {},
  onBytes = () => {},
): Promise<{ error: LockstepError; before: string }> {
  let before = "";
  try {
    await ask(behaviour, async (answer) => {
      for await (const bytes of answer.body ?? []) {
        before += new TextDecoder().decode(bytes);
        onBytes();
      }
    }, options);
  } catch (error) {
    if (error instanceof LockstepError) return { error, before };
    throw error;
  }
  assert.fail(`no error after ${JSON.stringify(before)}`);
}

Deno.test("records are read whatever the framing", async () => {
  const framings: Record<string, Behaviour> = {
    length: lengthy(BODY),
    chunked: chunked([BODY.slice(0, 30), BODY.slice(30)]),
    "close-delimited": closeDelimited(BODY),
    "HTTP/1.0": closeDelimited(BODY, { version: "1.0" }),
    "HTTP/1.0 with a length": raw(head(200, { "content-length": "48" }, "1.0") + BODY),
    gzip: gzipped(BODY),
    "one byte at a time": trickling(BODY),
    "no content type": records(BODY, {}),
    "text/plain": records(BODY, { "content-type": "text/plain" }),
    "interim responses": raw(head(103, { link: "</x>" }) + head(200) + BODY),
  };
  for (const [name, behaviour] of Object.entries(framings)) {
    assert.equal(await ask(behaviour, textOf), BODY, name);
  }
});

Deno.test("a clean end is proof of a whole answer only where the framing can show a cut", async () => {
  const proof = (behaviour: Behaviour) =>
    ask(behaviour, async (answer) => {
      await textOf(answer);
      return answer.endIsProof;
    });
  assert.equal(await proof(lengthy(BODY)), true);
  assert.equal(await proof(chunked([BODY])), true);
  assert.equal(await proof(gzipped(BODY)), true);
  assert.equal(await proof(closeDelimited(BODY)), false);
  assert.equal(await proof(status(206, { "content-range": "bytes 0-9/99" }, BODY)), false);
  // Behind a whole member another may have been cut off.
  const headers = { "content-encoding": "gzip" };
  assert.equal(await proof(closeDelimited(new Uint8Array(gzipSync(BODY)), { headers })), false);
  assert.equal(await proof(closeDelimited(BODY, { version: "1.0", at: 20 })), false);
});

Deno.test("a compressed body of several members is read to its end, and an empty one is nothing new", async () => {
  const gzip = new Uint8Array(gzipSync(BODY));
  const br = new Uint8Array(brotliCompressSync(BODY));
  assert.equal(await ask(encoded("gzip", gzip, gzip), textOf), BODY + BODY);
  assert.equal(await ask(encoded("gzip", concat(gzip, gzip)), textOf), BODY + BODY);
  assert.equal(await ask(encoded("br", br), textOf), BODY);
  for (const coding of ["gzip", "br"]) assert.equal(await ask(encoded(coding), textOf), "");
  const { error, before } = await failureOf(encoded("br", br, br));
  assert.deepEqual([error.kind, error.retry, before], ["broken-body", "soon", BODY]);
  assert.match(error.message, /left over/);
});

Deno.test("the request asks for records from the cursor on, with compression", async () => {
  await ask(records(BODY), async (answer, origin) => {
    await textOf(answer);
    const [request] = origin.requests;
    assert.equal(request?.method, "GET");
    assert.equal(request.path, "/servers/5");
    assert.match(request.headers.accept ?? "", /^application\/x-ndjson/);
    assert.match(request.headers["user-agent"] ?? "", /^lockstep-replicate\/\d+\.\d+\.\d+/);
    // First identity, or fetch would decode only a part of what comes, and call that the end.
    assert.equal(request.headers["accept-encoding"], "identity, gzip, br");
    assert.equal(request.headers.authorization, undefined);
  });
});

Deno.test("the feed's own headers are handed on", async () => {
  const headers = {
    "lockstep-head": "998",
    "lockstep-generation": "3",
    "content-type": "a/b",
    "date": "Sat, 31 Jan 2026 12:00:00 GMT",
  };
  await ask(records(BODY, headers), async (answer, origin) => {
    await textOf(answer);
    const { head, generation, contentType, date, status, url } = answer;
    assert.deepEqual({ head, generation, contentType, date, status, url }, {
      date: Date.UTC(2026, 0, 31, 12),
      head: "998",
      generation: "3",
      contentType: "a/b",
      status: 200,
      url: `${origin.url}/servers/5`,
    });
  });
  await ask(records(""), async (answer) => {
    assert.equal(await textOf(answer), "");
    assert.equal(answer.head, null);
    assert.equal(answer.generation, null);
    assert.equal(answer.date, null);
  });
});

Deno.test("an answer of nothing new has no body", async () => {
  for (const code of [204, 205]) {
    await ask(status(code), (answer) => {
      assert.equal(answer.body, null);
      assert.equal(answer.status, code);
      return Promise.resolve();
    });
  }
});

Deno.test("each failing status comes as its error over a real connection", async () => {
  const cases: [code: number, kind: ErrorKind, retry: Retry][] = [
    [400, "status", "slow"],
    [401, "status", "slow"],
    [403, "status", "slow"],
    [404, "status", "slow"],
    [408, "status", "soon"],
    [410, "gone", "resync"],
    [418, "status", "slow"],
    [425, "status", "soon"],
    [429, "status", "soon"],
    [500, "status", "soon"],
    [503, "status", "soon"],
    [599, "status", "soon"],
    [300, "redirect", "slow"],
    [304, "status", "slow"],
    [302, "redirect", "slow"],
    [600, "status", "slow"],
  ];
  for (const [code, kind, retry] of cases) {
    const { error } = await failureOf(status(code, { "retry-after": "7" }, "why"));
    assert.deepEqual([error.kind, error.retry, error.status], [kind, retry, code]);
    assert.equal(error.retryAfterMs, kind === "status" && code !== 304 ? 7000 : undefined);
  }
});

Deno.test("a Retry-After date counts from the origin's own clock", async () => {
  const headers = {
    "date": "Sat, 31 Jan 2026 12:00:00 GMT",
    "retry-after": "Sat, 31 Jan 2026 12:00:30 GMT",
  };
  const { error } = await failureOf(status(503, headers));
  assert.equal(error.retryAfterMs, 30_000);
});

Deno.test("a page instead of records is one error that names the content type", async () => {
  for (const type of ["text/html; charset=utf-8", "text/plain", "application/json", ""]) {
    const { error, before } = await failureOf(html(type));
    assert.deepEqual([error.kind, error.retry, before], ["not-records", "slow", ""]);
    const named = type === "" ? "missing" : type.split(";")[0] ?? type;
    assert.ok(error.message.includes(named), error.message);
  }
  const late = chunked(["\n", "\ufeff\n", " <html>"]);
  assert.equal((await failureOf(late)).error.kind, "not-records");
});

Deno.test("an encoding that wasn't offered is refused before its noise is read", async () => {
  const { error } = await failureOf(records(BODY, { "content-encoding": "zstd" }));
  assert.equal(error.kind, "not-records");
  assert.match(error.message, /"zstd"/);
});

Deno.test("a broken end gives what came, then an error", async () => {
  const breaks: Record<string, Behaviour> = {
    "close in a chunk": chunked([BODY], { at: 30 }),
    "no last chunk": chunked([BODY], { at: BODY.length }),
    "bad chunk size": badChunk([BODY]),
    "length too long": lengthy(BODY, { lie: 10 }),
    "truncated gzip": gzipped(BODY.repeat(20), 30),
  };
  for (const [name, behaviour] of Object.entries(breaks)) {
    const { error, before } = await failureOf(behaviour);
    assert.deepEqual([error.kind, error.retry], ["broken-body", "soon"], name);
    assert.ok(BODY.repeat(20).startsWith(before), `${name}: ${JSON.stringify(before)}`);
  }
});

Deno.test("a reset in the middle of a body is a broken end in every framing", async () => {
  const framings: Record<string, string> = {
    chunked: head(200, { "transfer-encoding": "chunked" }) + "30\r\n",
    length: head(200, { "content-length": "100" }),
    "close-delimited": head(200),
  };
  for (const [name, start] of Object.entries(framings)) {
    const { promise: read, resolve: wasRead } = Promise.withResolvers<void>();
    const { error, before } = await failureOf(
      async (conversation) => {
        await conversation.send(start + BODY.slice(0, 30));
        // What a client has not read yet may be lost with a reset.
        await read;
        conversation.reset();
      },
      {},
      wasRead,
    );
    assert.deepEqual(
      [error.kind, error.retry, before],
      ["broken-body", "soon", BODY.slice(0, 30)],
      name,
    );
  }
});

Deno.test("a length that is too short ends the body there", async () => {
  assert.equal(await ask(lengthy(BODY, { lie: -5 }), textOf), BODY.slice(0, -5));
});

Deno.test("an answer cut at any byte gives a prefix, and an error unless it is whole", async () => {
  await using origin = await MisbehavingOrigin.start();
  using client = new OriginClient();
  const endpoint = new Endpoint(`${origin.url}/servers`);
  for (let at = 0; at <= BODY.length; at++) {
    for (const end of ["close", "reset"] as const) {
      for (const cut of [chunked([BODY], { at, end }), lengthy(BODY, { at, end })]) {
        origin.next(cut);
        let came = "";
        let error: unknown = null;
        try {
          const answer = await connect(endpoint, 0, { client });
          for await (const bytes of answer.body ?? []) came += new TextDecoder().decode(bytes);
        } catch (caught) {
          error = caught;
        }
        assert.ok(BODY.startsWith(came));
        if (error === null) assert.equal(came, BODY);
        // A reset may overtake the response's headers.
        else assert.match(error instanceof LockstepError ? error.kind : "", /broken-body|connect/);
      }
    }
  }
});

Deno.test("an origin that never answers is given up after the connect time-out", async () => {
  await using origin = await MisbehavingOrigin.start(silent());
  using client = new OriginClient();
  const clock = new HandClock();
  const endpoint = new Endpoint(`${origin.url}/servers`);
  const asked = connect(endpoint, 0, { client, connectTimeoutMs: 10_000 }, clock);
  const outcome = asked.then(() => null, (error) => error);
  await origin.whenRequests(1);
  await clock.advance(9_999);
  assert.equal(clock.sleeping, 1, "still waiting");
  await clock.advance(1);
  const error = await outcome;
  assert.ok(error instanceof LockstepError);
  assert.deepEqual([error.kind, error.retry], ["connect-timeout", "soon"]);
  assert.match(error.message, /127\.0\.0\.1:\d+ sent no answer within 10s/);
});

Deno.test("the connect time-out covers all redirects together", async () => {
  await using origin = await MisbehavingOrigin.start(
    status(302, { location: "/next" }),
    silent(),
  );
  using client = new OriginClient();
  const clock = new HandClock();
  const asked = connect(new Endpoint(origin.url), 0, { client, connectTimeoutMs: 1000 }, clock);
  const outcome = asked.then(() => null, (error) => error);
  await origin.whenRequests(2);
  assert.equal(clock.sleeping, 1);
  await clock.advance(1000);
  assert.equal((await outcome)?.kind, "connect-timeout");
});

Deno.test("a stream that falls silent is given up after the idle time-out", async () => {
  await using origin = await MisbehavingOrigin.start(endless([BODY]));
  using client = new OriginClient();
  const clock = new HandClock();
  const answer = await connect(
    new Endpoint(origin.url),
    0,
    { client, idleTimeoutMs: 60_000 },
    clock,
  );
  const reader = answer.body?.getReader();
  assert.equal((await reader?.read())?.value?.length, BODY.length);
  const outcome = reader?.read().then(() => null, (error) => error);
  clock.stepWall(3_600_000);
  await clock.advance(59_999);
  assert.equal(clock.sleeping, 1, "still waiting");
  // Silence is a span: a wall clock that is set back an hour makes it no longer.
  clock.stepWall(-7_200_000);
  await clock.advance(1);
  const error = await outcome;
  assert.ok(error instanceof LockstepError);
  assert.deepEqual([error.kind, error.retry], ["idle-timeout", "soon"]);
  assert.match(error.message, /sent nothing for 1m/);
  assert.equal(clock.sleeping, 0);
});

Deno.test("a blank line now and then is life enough", async () => {
  const { promise: send, resolve: beat } = Promise.withResolvers<void>();
  await using origin = await MisbehavingOrigin.start(async (conversation) => {
    await conversation.send(head(200, { "transfer-encoding": "chunked" }));
    await conversation.send(chunk(BODY));
    await send;
    await conversation.send(chunk("\n"));
    await conversation.stall();
  });
  using client = new OriginClient();
  const clock = new HandClock();
  const answer = await connect(new Endpoint(origin.url), 0, { client, idleTimeoutMs: 1000 }, clock);
  const reader = answer.body?.getReader();
  await reader?.read();
  const second = reader?.read();
  await clock.advance(900);
  beat();
  assert.deepEqual((await second)?.value, new Uint8Array([10]));
  const third = reader?.read().then(() => null, (error) => error);
  await clock.advance(999);
  assert.equal(clock.sleeping, 1, "the count began anew with the heartbeat");
  await clock.advance(1);
  assert.equal((await third)?.kind, "idle-timeout");
});

Deno.test("a reader that is slow doesn't make the origin silent", async () => {
  await using origin = await MisbehavingOrigin.start(chunked([BODY, BODY]));
  using client = new OriginClient();
  const clock = new HandClock();
  const answer = await connect(new Endpoint(origin.url), 0, { client, idleTimeoutMs: 1000 }, clock);
  await clock.advance(1_000_000);
  assert.equal(await textOf(answer), BODY + BODY);
});

Deno.test("a stream has one timer, however many chunks it brings", async () => {
  const pieces = Array.from({ length: 50 }, (_, i) => `{"id":${i}}\n`);
  await using origin = await MisbehavingOrigin.start(chunked(pieces));
  using client = new OriginClient();
  const clock = new HandClock();
  const answer = await connect(new Endpoint(origin.url), 0, { client }, clock);
  for await (const _ of answer.body ?? []) assert.ok(clock.sleeping <= 1);
  await clock.advance(0);
  assert.equal(clock.sleeping, 0);
});

Deno.test("cancelling the body frees the connection and the timer", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using origin = await MisbehavingOrigin.start(async (conversation) => {
    await conversation.send(head(200) + BODY);
    await conversation.stall();
    resolve();
  });
  using client = new OriginClient();
  const clock = new HandClock();
  const answer = await connect(new Endpoint(origin.url), 0, { client }, clock);
  await answer.body?.cancel();
  await gone;
  assert.equal(clock.sleeping, 0);
});

Deno.test("a signal ends the request with its reason", async () => {
  await using origin = await MisbehavingOrigin.start(silent());
  using client = new OriginClient();
  const clock = new HandClock();
  const abort = new AbortController();
  const asked = connect(new Endpoint(origin.url), 0, { client }, clock, abort.signal);
  await origin.whenRequests(1);
  const reason = new Error("stop");
  abort.abort(reason);
  await assert.rejects(asked, reason);
  await assert.rejects(connect(new Endpoint(origin.url), 0, {}, clock, abort.signal), reason);
  assert.equal(clock.sleeping, 0);
  assert.equal(origin.requests.length, 1);
});

Deno.test("a signal ends the body with its reason", async () => {
  await using origin = await MisbehavingOrigin.start(endless([BODY]));
  using client = new OriginClient();
  const abort = new AbortController();
  const clock = new HandClock();
  const answer = await connect(new Endpoint(origin.url), 0, { client }, clock, abort.signal);
  const reader = answer.body?.getReader();
  await reader?.read();
  const second = reader?.read();
  const reason = new Error("stop");
  abort.abort(reason);
  await assert.rejects(second ?? Promise.resolve(), reason);
  await clock.advance(0);
  assert.equal(clock.sleeping, 0);
});

Deno.test("a connection that is refused, dropped or no HTTP is retried soon, in plain words", async () => {
  const closed = await MisbehavingOrigin.start();
  await closed.close();
  const refused = await connect(new Endpoint(`${closed.url}/x`), 0).catch((error) => error);
  assert.deepEqual([refused.kind, refused.retry], ["connect", "soon"]);
  assert.match(refused.message, /^127\.0\.0\.1:\d+: the connection was refused$/);

  const cases: [behaviour: Behaviour, message: RegExp][] = [
    [drop("close"), /closed before an answer came/],
    [drop("reset"), /closed before an answer came/],
    [raw("HTTP/1.1 200 OK\r\nX-"), /closed before an answer came/],
    [raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), /isn't HTTP/],
    [
      status(200, Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x${i}`, "1"]))),
      /headers/,
    ],
  ];
  for (const [behaviour, message] of cases) {
    const { error } = await failureOf(behaviour);
    assert.deepEqual([error.kind, error.retry], ["connect", "soon"]);
    assert.match(error.message, message);
    assert.ok(error.hint.length > 10);
  }
});

Deno.test("a name that doesn't resolve is said to be one", async () => {
  const error = await connect(new Endpoint("http://no-such-host.invalid/x"), 0).catch((e) => e);
  assert.deepEqual([error.kind, error.retry], ["connect", "soon"]);
  assert.match(error.message, /no-such-host\.invalid: (the name can't be resolved|the proxy)/);
});

Deno.test("a port that fetch never talks to is an error that trying again doesn't help", async () => {
  const error = await connect(new Endpoint("http://127.0.0.1:25/x"), 0).catch((e) => e);
  assert.deepEqual([error.kind, error.retry], ["usage", "never"]);
  assert.match(error.message, /port 25/);
});

Deno.test("backpressure reaches the origin: a body nobody reads isn't read ahead without bound", async () => {
  const block = new Uint8Array(65_536).fill(0x20);
  let sent = 0;
  const BLOCKS = 2000;
  await using origin = await MisbehavingOrigin.start(async (conversation) => {
    await conversation.send(head(200));
    for (let i = 0; i < BLOCKS && !conversation.closed; i++) {
      await conversation.send(block);
      sent++;
    }
  });
  using client = new OriginClient();
  const answer = await connect(new Endpoint(origin.url), 0, { client });
  const reader = answer.body?.getReader();
  await reader?.read();
  // The origin goes on until every buffer between is full: it has stood still for a while then.
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(sent < BLOCKS / 2, `${sent} blocks of 64 KiB left the origin`);
  await reader?.cancel();
});
