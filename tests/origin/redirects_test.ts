import assert from "node:assert/strict";
import { connect, type ConnectOptions } from "../../src/origin/connect.ts";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { MAX_REDIRECTS } from "../../src/origin/redirects.ts";
import { OriginClient } from "../../src/origin/tls_client.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import {
  type Behaviour,
  MisbehavingOrigin,
  needsAuthorization,
  records,
  redirect,
  type SeenRequest,
  status,
} from "../support/misbehaving_origin.ts";

const BODY = '{"id":1,"updated_at":5}\n';
const SECRETS: ConnectOptions = { headers: [["x-api-key", "s3cret"], ["cookie", "a=s3cret"]] };

/** Reads an endpoint whose URL carries credentials, to the end. */
async function read(
  url: string,
  options: ConnectOptions = {},
): Promise<{ text: string; url: string }> {
  using client = new OriginClient();
  const endpoint = new Endpoint(`${url.replace("://", "://me:s3cret@")}`);
  const answer = await connect(endpoint, 5, { client, ...options });
  let text = "";
  for await (const bytes of answer.body ?? []) text += new TextDecoder().decode(bytes);
  return { text, url: answer.url };
}

async function failureOf(url: string, options?: ConnectOptions): Promise<LockstepError> {
  const error = await read(url, options).then(() => null, (error) => error);
  assert.ok(error instanceof LockstepError, `${error}`);
  return error;
}

function carries(request: SeenRequest | undefined): boolean {
  return JSON.stringify(request?.headers).includes("s3cret") ||
    request?.headers.authorization !== undefined;
}

Deno.test("every kind of redirect is followed, relative and absolute", async () => {
  for (const code of [301, 302, 303, 307, 308]) {
    for (const location of ["/new/5?x=1#f", "../new/5?x=1", "HOST/new/5?x=1"]) {
      await using origin = await MisbehavingOrigin.start(
        (talk) => redirect(location.replace("HOST", origin.url), code)(talk),
        records(BODY),
      );
      const answer = await read(`${origin.url}/old`);
      assert.equal(answer.text, BODY);
      assert.equal(origin.requests[1]?.path, "/new/5?x=1");
      assert.equal(origin.requests[1]?.method, "GET");
      assert.equal(answer.url, `${origin.url}/new/5?x=1`);
    }
  }
});

Deno.test("credentials and user headers go along to the same origin", async () => {
  await using origin = await MisbehavingOrigin.start(redirect("/new"), records(BODY));
  await read(`${origin.url}/old`, SECRETS);
  for (const request of origin.requests) {
    assert.equal(request.headers["x-api-key"], "s3cret");
    assert.equal(request.headers.cookie, "a=s3cret");
    assert.equal(request.headers.authorization, `Basic ${btoa("me:s3cret")}`);
  }
  assert.equal(origin.requests.length, 2);
});

Deno.test("a redirect to another port gets no credential and no user header", async () => {
  await using stranger = await MisbehavingOrigin.start(records(BODY));
  await using origin = await MisbehavingOrigin.start(redirect(`${stranger.url}/steal`));
  assert.equal((await read(`${origin.url}/old`, SECRETS)).text, BODY);
  assert.ok(carries(origin.requests[0]));
  assert.ok(!carries(stranger.requests[0]));
  assert.match(stranger.requests[0]?.headers["user-agent"] ?? "", /^lockstep-replicate/);
});

Deno.test("a redirect to another name of the same host gets no credential either", async () => {
  await using origin = await MisbehavingOrigin.start(
    (talk) => redirect(`http://localhost:${origin.port}/x`)(talk),
    records(BODY),
  );
  await read(`${origin.url}/old`, SECRETS);
  assert.deepEqual(origin.requests.map(carries), [true, false]);
});

Deno.test("a redirect that leads away and back doesn't get the credentials again", async () => {
  const back: Behaviour = (talk) => redirect(`${origin.url}/victim`)(talk);
  await using stranger = await MisbehavingOrigin.start(back);
  await using origin = await MisbehavingOrigin.start(
    redirect(`${stranger.url}/x`),
    records(BODY),
  );
  await read(`${origin.url}/old`, SECRETS);
  assert.deepEqual(origin.requests.map(carries), [true, false]);
});

Deno.test("credentials in a Location are neither used nor shown", async () => {
  await using origin = await MisbehavingOrigin.start(
    (talk) => redirect(`http://evil:s3cret@127.0.0.1:${origin.port}/new`)(talk),
    records(BODY),
  );
  const answer = await read(`${origin.url}/old`);
  assert.equal(origin.requests[1]?.headers.authorization, `Basic ${btoa("me:s3cret")}`);
  assert.equal(answer.url, `${origin.url}/new`);
});

Deno.test("ten redirects are followed, and the eleventh is an error", async () => {
  assert.equal(MAX_REDIRECTS, 10);
  await using origin = await MisbehavingOrigin.start(
    ...Array.from({ length: 10 }, (_, i) => redirect(`/${i}`)),
    records(BODY),
  );
  assert.equal((await read(`${origin.url}/x`)).text, BODY);

  await using loop = await MisbehavingOrigin.start(redirect());
  const error = await failureOf(`${loop.url}/x`);
  assert.deepEqual([error.kind, error.retry, error.status], ["redirect", "slow", 302]);
  assert.match(error.message, /more than 10 times/);
  assert.equal(loop.requests.length, 11);
});

Deno.test("a redirect to nowhere, or out of the web, is an error", async () => {
  for (
    const location of [
      "ftp://h/x",
      "javascript:alert(1)",
      "http://",
      "file:///etc/passwd",
      "data:,x",
    ]
  ) {
    await using origin = await MisbehavingOrigin.start(redirect(location));
    const error = await failureOf(`${origin.url}/x`);
    assert.deepEqual([error.kind, error.retry], ["redirect", "slow"], location);
  }
});

Deno.test("a 401 behind a redirect to another origin says where the credentials stayed", async () => {
  await using stranger = await MisbehavingOrigin.start(status(401));
  await using origin = await MisbehavingOrigin.start(redirect(`${stranger.url}/x`));
  const error = await failureOf(`${origin.url}/x`);
  assert.equal(error.status, 401);
  assert.match(error.hint, /no credentials: give the address it led to as --url/);
});

Deno.test("a token that is rotated in the header file is picked up by the next attempt", async () => {
  const file = await Deno.makeTempFile();
  try {
    let valid = "Bearer one";
    await using origin = await MisbehavingOrigin.start(
      needsAuthorization(() => valid, records(BODY)),
    );
    const options = { headerFile: file, headers: [["authorization", "Bearer stale"]] as const };
    await Deno.writeTextFile(file, "# token\nAuthorization: Bearer one\n");
    // The file wins over --header, which wins over the URL.
    assert.equal((await read(`${origin.url}/x`, options)).text, BODY);
    valid = "Bearer two";
    const error = await failureOf(`${origin.url}/x`, options);
    assert.deepEqual([error.status, error.retry], [401, "slow"]);
    assert.match(error.hint, /header-file is read again/);
    await Deno.writeTextFile(file, "authorization: Bearer two\n");
    assert.equal((await read(`${origin.url}/x`, options)).text, BODY);
    await Deno.writeTextFile(file, "Bearer s3cret\n");
    const broken = await failureOf(`${origin.url}/x`, options);
    assert.deepEqual([broken.kind, broken.retry], ["usage", "slow"]);
    assert.ok(broken.message.includes(`${file}:1`));
    assert.equal(origin.requests.length, 3, "no request goes out without its headers");
  } finally {
    await Deno.remove(file);
  }
});
