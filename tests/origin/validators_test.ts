import assert from "node:assert/strict";
import { type Answer, connect, type ConnectOptions } from "../../src/origin/connect.ts";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { OriginClient } from "../../src/origin/tls_client.ts";
import { conditionsOf, requestOf, validatorsOf } from "../../src/origin/validators.ts";
import {
  type Behaviour,
  closeDelimited,
  MisbehavingOrigin,
  records,
  redirect,
  status,
} from "../support/misbehaving_origin.ts";

const BODY = '{"id":1,"updated_at":5}\n';
const MODIFIED = "Sat, 31 Jan 2026 12:00:00 GMT";
const SETTLED = {
  "etag": '"a"',
  "last-modified": MODIFIED,
  "date": "Sat, 31 Jan 2026 12:00:02 GMT",
};

Deno.test("validators are taken only where the answer came two seconds after the last change", () => {
  const of = (headers: Record<string, string>) => validatorsOf(new Headers(headers), "r");
  assert.deepEqual(of(SETTLED), { request: "r", etag: '"a"', lastModified: MODIFIED });
  assert.equal(of({ ...SETTLED, date: "Sat, 31 Jan 2026 12:00:01 GMT" }), null);
  assert.equal(of({ ...SETTLED, date: "Sat, 31 Jan 2026 11:59:00 GMT" }), null);
  assert.equal(of({ "etag": '"a"', "last-modified": MODIFIED }), null, "no Date");
  assert.equal(of({ ...SETTLED, "last-modified": "yesterday" }), null);
  assert.deepEqual(of({ etag: 'W/"a"' }), { request: "r", etag: 'W/"a"', lastModified: null });
  assert.equal(of({ date: SETTLED.date }), null);
});

Deno.test("a request is conditional only where it is the same as the one that was answered", () => {
  const url = new URL("http://h/x?since=1");
  const headers = new Headers({ authorization: "Bearer one" });
  const validators = validatorsOf(new Headers(SETTLED), requestOf(url, headers));
  assert.deepEqual(conditionsOf(requestOf(url, headers), validators), [
    ["if-none-match", '"a"'],
    ["if-modified-since", MODIFIED],
  ]);
  assert.deepEqual(conditionsOf(requestOf(url, headers), null), []);
  assert.deepEqual(conditionsOf(requestOf(new URL("http://h/x?since=2"), headers), validators), []);
  const renewed = new Headers({ authorization: "Bearer two" });
  assert.deepEqual(conditionsOf(requestOf(url, renewed), validators), []);
});

async function read(
  origin: MisbehavingOrigin,
  behaviour: Behaviour,
  options: ConnectOptions = {},
  cursor = 5,
): Promise<Answer> {
  origin.next(behaviour, records(BODY, SETTLED));
  using client = new OriginClient();
  const answer = await connect(new Endpoint(`${origin.url}/x`), cursor, { client, ...options });
  for await (const _ of answer.body ?? []) { /* to its end */ }
  return answer;
}

Deno.test("an answer's validators ask the same request for what has changed, and still hold behind a 304", async () => {
  await using origin = await MisbehavingOrigin.start();
  const { validators } = await read(origin, records(BODY, SETTLED));
  assert.ok(validators !== null);
  assert.equal(origin.requests[0]?.headers["if-none-match"], undefined);
  const same = await read(origin, status(304, { etag: '"a"' }), { validators });
  assert.equal(origin.requests[1]?.headers["if-none-match"], '"a"');
  assert.equal(origin.requests[1].headers["if-modified-since"], MODIFIED);
  assert.deepEqual([same.status, same.body, same.validators], [304, null, validators]);
  const changed = await read(origin, records(BODY, { ...SETTLED, etag: '"b"' }), { validators });
  assert.equal(changed.validators?.etag, '"b"');
  await read(origin, records(BODY), { validators }, 6);
  assert.equal(origin.requests[3]?.headers["if-none-match"], undefined, "another cursor");
  await assert.rejects(read(origin, status(304), { validators }, 6), /without a condition/);
});

Deno.test("an answer whose end is no proof, or that a redirect led to, has no validators", async () => {
  await using origin = await MisbehavingOrigin.start();
  const cut = await read(origin, closeDelimited(BODY, { headers: SETTLED }));
  assert.equal(cut.validators, null);
  const led = await read(origin, redirect("/y"));
  assert.equal(led.status, 200);
  assert.equal(led.validators, null);
});

Deno.test("a condition is for the first address only", async () => {
  await using origin = await MisbehavingOrigin.start();
  const { validators } = await read(origin, records(BODY, SETTLED));
  await read(origin, redirect("/y"), { validators });
  assert.deepEqual(origin.requests.map(({ headers }) => headers["if-none-match"]), [
    undefined,
    '"a"',
    undefined,
  ]);
});
