import assert from "node:assert/strict";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";
import { type Answer, connect } from "../../src/origin/connect.ts";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { OriginClient } from "../../src/origin/tls_client.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { MisbehavingOrigin, redirect } from "../support/misbehaving_origin.ts";
import { testWith } from "../support/tools.ts";

const BODY = '{"id":1,"updated_at":5}\n';

/** A TLS origin that says who its client is, as a header; it may demand a certificate. */
async function startTls(certificates: Certificates, demand = false, name = "server") {
  const server = createServer({
    cert: certificates.text(`${name}.pem`),
    key: certificates.text(`${name}.key`),
    ...(demand ? { ca: certificates.text("ca.pem"), requestCert: true } : {}),
  }, (_request, response) => void response.end(BODY));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    });
  });
  return {
    url: `https://127.0.0.1:${port}/servers`,
    port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(answer: Answer): Promise<string> {
  let text = "";
  for await (const bytes of answer.body ?? []) text += new TextDecoder().decode(bytes);
  return text;
}

async function failureOf(url: string, client: OriginClient): Promise<LockstepError> {
  const error = await connect(new Endpoint(url), 0, { client }).then(textOf).catch((error) =>
    error
  );
  assert.ok(error instanceof LockstepError, `${error}`);
  return error;
}

testWith(
  ["openssl"],
  "an origin with a private authority is read with --ca, and refused with a hint without",
  async () => {
    await using certificates = await makeCertificates();
    await using origin = await startTls(certificates);
    using with_ = new OriginClient({ ca: certificates.path("ca.pem") });
    const answer = await connect(new Endpoint(origin.url), 0, { client: with_ });
    assert.equal(await textOf(answer), BODY);
    using without = new OriginClient();
    const error = await failureOf(origin.url, without);
    assert.deepEqual([error.kind, error.retry], ["connect", "soon"]);
    assert.match(error.message, /authority that isn't known/);
    assert.match(error.hint, /--ca/);
  },
);

testWith(
  ["openssl"],
  "an authority's own certificate in a server's place is told from an unknown authority",
  async () => {
    await using certificates = await makeCertificates();
    await using origin = await startTls(certificates, false, "ca");
    using client = new OriginClient({ ca: certificates.path("ca.pem") });
    const error = await failureOf(origin.url, client);
    assert.match(error.message, /CA:TRUE/);
    assert.match(error.hint, /CA:FALSE/);
    using keyless = new OriginClient({ ca: certificates.path("ca.key") });
    const wrong = await failureOf(origin.url, keyless);
    assert.match(wrong.message, /ca\.key has no certificate in it/);
    assert.match(wrong.hint, /private key/);
  },
);

testWith(
  ["openssl"],
  "an origin that demands a client certificate gets the one of --cert and --cert-key",
  async () => {
    await using certificates = await makeCertificates();
    await using origin = await startTls(certificates, true);
    const ca = certificates.path("ca.pem");
    using with_ = new OriginClient({
      ca,
      cert: certificates.path("client.pem"),
      certKey: certificates.path("client.key"),
    });
    const answer = await connect(new Endpoint(origin.url), 0, { client: with_ });
    assert.equal(await textOf(answer), BODY);
    using without = new OriginClient({ ca });
    const error = await failureOf(origin.url, without);
    assert.deepEqual([error.kind, error.retry], ["connect", "soon"]);
  },
);

testWith(
  ["openssl"],
  "a redirect to another origin doesn't take the client certificate along",
  async () => {
    await using certificates = await makeCertificates();
    await using other = await startTls(certificates, true);
    await using origin = await MisbehavingOrigin.start(redirect(other.url));
    using client = new OriginClient({
      ca: certificates.path("ca.pem"),
      cert: certificates.path("client.pem"),
      certKey: certificates.path("client.key"),
    });
    const error = await failureOf(origin.url, client);
    assert.equal(error.kind, "connect");
  },
);

testWith(
  ["openssl"],
  "a renewed authority is picked up by the next attempt, without a restart",
  async () => {
    await using old = await makeCertificates("old");
    await using renewed = await makeCertificates("renewed");
    await using origin = await startTls(renewed);
    const ca = old.path("ca.pem");
    using client = new OriginClient({ ca });
    assert.equal((await failureOf(origin.url, client)).kind, "connect");
    await Deno.writeTextFile(ca, "-----BEGIN half written");
    const error = await failureOf(origin.url, client);
    assert.deepEqual([error.kind, error.retry], ["usage", "slow"]);
    assert.ok(error.message.includes(ca), error.message);
    await Deno.writeTextFile(ca, renewed.text("ca.pem"));
    const answer = await connect(new Endpoint(origin.url), 0, { client });
    assert.equal(await textOf(answer), BODY);
  },
);

testWith(
  ["openssl"],
  "a name that the certificate doesn't have is said to be another",
  async () => {
    await using certificates = await makeCertificates("one", "DNS:other.example");
    await using origin = await startTls(certificates);
    using client = new OriginClient({ ca: certificates.path("ca.pem") });
    const error = await failureOf(origin.url, client);
    assert.equal(error.kind, "connect");
    assert.match(error.message, /certificate is for another name/);
  },
);

testWith(
  ["openssl"],
  "a key that isn't the certificate's is an error that names the files",
  async () => {
    await using certificates = await makeCertificates();
    const [cert, certKey] = [certificates.path("client.pem"), certificates.path("server.key")];
    using client = new OriginClient({ cert, certKey });
    const error = await failureOf("https://127.0.0.1:9/", client);
    assert.deepEqual([error.kind, error.retry], ["usage", "slow"]);
    assert.ok(error.message.includes(cert) && error.message.includes(certKey), error.message);
    const key = certificates.text("server.key").split("\n")[1] ?? "?";
    assert.ok(!Deno.inspect(error).includes(key));
  },
);

testWith(
  ["openssl"],
  "an answer over TLS that is cut without TLS's own end is a broken end",
  async () => {
    await using certificates = await makeCertificates();
    // A TLS origin behind a relay that cuts the connection where it is told to.
    const listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: certificates.text("server.pem"),
      key: certificates.text("server.key"),
    });
    const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { promise: read, resolve: wasRead } = Promise.withResolvers<void>();
    const serving = (async () => {
      const tls = await listener.accept();
      await tls.read(new Uint8Array(4096));
      await tls.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n\r\n${BODY}`));
      await read;
      tls.close();
    })();
    const relaying = (async () => {
      using outer = await relay.accept();
      using inner = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      const up = pump(outer, inner);
      const down = pump(inner, outer);
      await read;
      await outer.closeWrite();
      await Promise.allSettled([up, down]);
    })();
    using client = new OriginClient({ ca: certificates.path("ca.pem") });
    const url = `https://127.0.0.1:${relay.addr.port}/x`;
    const answer = await connect(new Endpoint(url), 0, { client });
    assert.equal(answer.endIsProof, false, "it ends with its connection");
    const reader = answer.body?.getReader();
    assert.equal((await reader?.read())?.value?.length, BODY.length);
    wasRead();
    await assert.rejects(reader?.read() ?? Promise.resolve(), /broke off/);
    await Promise.allSettled([serving, relaying]);
    listener.close();
    relay.close();
  },
);

/** Copies one direction of a connection until it ends, however it ends. */
async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16_384);
  try {
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
      await to.write(buffer.subarray(0, n));
    }
  } catch { /* the other side is gone */ }
}

Deno.test("a client certificate without its key, or the reverse, is wrong usage", () => {
  assert.throws(() => new OriginClient({ cert: "a.pem" }), /--cert is given without --cert-key/);
  assert.throws(() => new OriginClient({ certKey: "a.key" }), /--cert-key is given without --cert/);
});

Deno.test("a certificate file that can't be read is an error that names option and file", async () => {
  using client = new OriginClient({ ca: "/nonexistent/ca.pem" });
  const error = await failureOf("https://127.0.0.1:9/", client);
  assert.deepEqual([error.kind, error.retry], ["usage", "slow"]);
  assert.match(
    error.message,
    /--ca \/nonexistent\/ca\.pem can't be read \(there is no such file\)/,
  );
});

Deno.test("TLS asked of a port that speaks plain HTTP is told so", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(BODY),
  );
  using client = new OriginClient();
  const error = await failureOf(`https://127.0.0.1:${server.addr.port}/x`, client);
  assert.deepEqual([error.kind, error.retry], ["connect", "soon"]);
  assert.ok(error.hint.length > 10);
});

testWith(
  ["openssl"],
  "an answer over TLS is read by HTTP/1.1, whose framing shows a cut, where the origin speaks both",
  async () => {
    await using certificates = await makeCertificates();
    await using origin = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: certificates.text("server.pem"),
      key: certificates.text("server.key"),
      onListen() {},
    }, () => new Response(ReadableStream.from([new TextEncoder().encode(BODY)])));
    using client = new OriginClient({ ca: certificates.path("ca.pem") });
    const url = `https://127.0.0.1:${origin.addr.port}/x`;
    const answer = await connect(new Endpoint(url), 0, { client });
    assert.equal(answer.endIsProof, true);
    assert.equal(await textOf(answer), BODY);
  },
);

testWith(
  ["openssl"],
  "an origin that speaks HTTP/2 alone is read, and its ends are proofs",
  async () => {
    await using certificates = await makeCertificates();
    const server = createSecureServer({
      cert: certificates.text("server.pem"),
      key: certificates.text("server.key"),
      allowHTTP1: false,
    });
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200 });
      stream.end(BODY);
    });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(address !== null && typeof address === "object" ? address.port : 0);
      });
    });
    {
      using client = new OriginClient({ ca: certificates.path("ca.pem") });
      for (let i = 0; i < 2; i++) {
        const url = `https://127.0.0.1:${port}/x`;
        const answer = await connect(new Endpoint(url), 0, { client });
        assert.equal(answer.endIsProof, true);
        assert.equal(await textOf(answer), BODY);
      }
    }
    await new Promise<void>((resolve) => server.close(() => resolve()));
  },
);

testWith(
  ["openssl"],
  "a redirect from https to http is refused, and nothing is asked there",
  async () => {
    await using certificates = await makeCertificates();
    await using plain = await MisbehavingOrigin.start();
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: certificates.text("server.pem"),
      key: certificates.text("server.key"),
      onListen() {},
    }, (request) => {
      const isSecond = new URL(request.url).pathname.startsWith("/second");
      const location = isSecond ? `${plain.url}/third` : "/second";
      return new Response(null, { status: 302, headers: { location } });
    });
    await using _closed = { [Symbol.asyncDispose]: () => server.shutdown() };
    using client = new OriginClient({ ca: certificates.path("ca.pem") });
    const error = await failureOf(`https://127.0.0.1:${server.addr.port}/first`, client);
    assert.deepEqual([error.kind, error.retry, error.status], ["redirect", "slow", 302]);
    assert.match(error.message, /from https to http/);
    assert.equal(plain.connections, 0);
  },
);
