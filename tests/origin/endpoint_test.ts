import assert from "node:assert/strict";
import fc from "fast-check";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { LockstepError } from "../../src/protocol/errors.ts";

Deno.test("the cursor becomes the last path element, and the query stays", () => {
  const cases: [url: string, expected: string][] = [
    ["http://h/servers", "http://h/servers/998"],
    ["http://h/servers/", "http://h/servers/998"],
    ["http://h/servers?a=1&b=%20", "http://h/servers/998?a=1&b=%20"],
    ["http://h/servers/?a=1#part", "http://h/servers/998?a=1"],
    ["http://h", "http://h/998"],
    ["HTTPS://H:443/x", "https://h/x/998"],
    ["http://[::1]:81/x", "http://[::1]:81/x/998"],
    ["http://h/a%2Fb%20c", "http://h/a%2Fb%20c/998"],
  ];
  for (const [url, expected] of cases) assert.equal(new Endpoint(url).requestUrl(998), expected);
});

Deno.test("the cursor goes wherever {since} stands, however it was written", () => {
  const cases: [url: string, expected: string][] = [
    ["http://h/{since}/servers", "http://h/998/servers"],
    ["http://h/servers/{since}.json?x=1", "http://h/servers/998.json?x=1"],
    ["http://h/servers?since={since}", "http://h/servers?since=998"],
    ["http://h/servers?update=true&since=%7Bsince%7D", "http://h/servers?update=true&since=998"],
    ["http://h/{since}?again={since}", "http://h/998?again=998"],
    ["http://h/lockstep-since?x={since}", "http://h/lockstep-since?x=998"],
  ];
  for (const [url, expected] of cases) assert.equal(new Endpoint(url).requestUrl(998), expected);
});

Deno.test("any cursor survives its way through a URL, in path and query", () => {
  const path = new Endpoint("http://h/servers");
  const query = new Endpoint("http://h/servers?since={since}&x=1");
  const dots = /^\.{1,2}$/;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }).filter((text) => !dots.test(text)), (cursor) => {
      const asked = new URL(path.requestUrl(cursor));
      assert.equal(asked.pathname.startsWith("/servers/"), true);
      assert.equal(decodeURIComponent(asked.pathname.slice("/servers/".length)), cursor);
      const search = new URL(query.requestUrl(cursor)).searchParams;
      assert.equal(search.get("since"), cursor);
      assert.equal(search.get("x"), "1");
    }),
  );
  const plus = "2026-01-31T12:00:00+01:00";
  assert.equal(new URL(query.requestUrl(plus)).searchParams.get("since"), plus);
});

Deno.test("a cursor that UTF-8 can't carry asks for more, never for less", () => {
  const endpoint = new Endpoint("http://h/servers");
  assert.equal(endpoint.requestUrl("ab\ud800cd"), "http://h/servers/ab");
  assert.equal(endpoint.requestUrl("\u{1f600}"), "http://h/servers/%F0%9F%98%80");
});

Deno.test("a cursor that a path would swallow is refused, and passes in a query", () => {
  assert.throws(
    () => new Endpoint("http://h/a/b").requestUrl(".."),
    /can't be an element of a path/,
  );
  assert.equal(new Endpoint("http://h/a?s={since}").requestUrl(".."), "http://h/a?s=..");
  assert.equal(new Endpoint("http://h/a/x{since}").requestUrl(".."), "http://h/a/x..");
});

Deno.test("an integer beyond 2^53 is asked for exactly", () => {
  const endpoint = new Endpoint("http://h/servers");
  assert.equal(endpoint.requestUrl(9007199254740993n), "http://h/servers/9007199254740993");
});

Deno.test("user name and password become Basic credentials, colons and UTF-8 included", () => {
  const credentials = (url: string) => {
    const header = new Endpoint(url).authorization();
    if (header === null) return null;
    return new TextDecoder().decode(Uint8Array.fromBase64(header.replace("Basic ", "")));
  };
  assert.equal(credentials("http://h/x"), null);
  assert.equal(credentials("http://me:pass@h/x"), "me:pass");
  assert.equal(credentials("http://me:pa:ss@h/x"), "me:pa:ss");
  assert.equal(credentials("http://me:p%3Aa%40s%2Fs%25@h/x"), "me:p:a@s/s%");
  assert.equal(credentials("http://me:a@b@h/x"), "me:a@b");
  assert.equal(credentials("http://j%C3%BCrgen:p%C3%A4ss@h/x"), "jürgen:päss");
  assert.equal(credentials("http://token@h/x"), "token:");
  assert.equal(credentials("http://:only@h/x"), ":only");
});

Deno.test("the table is named after the last path element that isn't the cursor", () => {
  const cases: [url: string, expected: string | null][] = [
    ["http://h/v1/servers", "servers"],
    ["http://h/v1/servers/", "servers"],
    ["http://h/servers/{since}", "servers"],
    ["http://h/servers/{since}/live", "live"],
    ["http://h/my%20servers?since={since}", "my servers"],
    ["http://h/{since}", null],
    ["http://h", null],
    ["http://h/100%/", "100%"],
  ];
  for (const [url, expected] of cases) assert.equal(new Endpoint(url).defaultTable, expected, url);
});

Deno.test("the identity is the same for all ways of writing one endpoint", () => {
  const same = [
    "https://h/servers",
    "https://h/servers/",
    "https://h:443/servers/{since}",
    "https://me:pass@h/servers",
    "https://h/servers#part",
  ];
  for (const url of same) assert.equal(new Endpoint(url).identity, "https://h/servers");
  assert.equal(
    new Endpoint("https://me:pass@h/servers?since={since}&region=eu").identity,
    "https://h/servers?since={since}&region=eu",
  );
});

Deno.test("the identity tells apart what is asked for, but not by a rotating secret", () => {
  const identity = (query: string) => new Endpoint(`https://h/x?${query}`).identity;
  assert.notEqual(identity("region=eu"), identity("region=us"));
  const long = "a-rather-long-filter-expression";
  assert.notEqual(identity(`filter=${long}1`), identity(`filter=${long}2`));
  assert.ok(!identity(`filter=${long}`).includes(long));
  for (const name of ["token", "access_token", "api_key", "apikey", "sig", "X-Amz-Signature"]) {
    assert.equal(identity(`${name}=one&region=eu`), identity(`${name}=two&region=eu`), name);
    assert.ok(!identity(`${name}=s3cret`).includes("s3cret"), name);
  }
  assert.notEqual(identity("keyspace=a"), identity("keyspace=b"));
});

Deno.test("what is printed has the shape of what was given, and no secret", () => {
  const printable = (url: string) => new Endpoint(url).printable;
  assert.equal(printable("https://h/servers/"), "https://h/servers/");
  assert.equal(printable("https://me:p@h/servers"), "https://h/servers");
  assert.equal(
    printable("https://h/servers?since={since}&region=eu-west-1&from=2026-01-01T00:00:00Z"),
    "https://h/servers?since={since}&region=eu-west-1&from=2026-01-01T00:00:00Z",
  );
  assert.equal(printable("https://h/x?token=abc&s3cret&live"), "https://h/x?token=…&…&live");
  assert.equal(printable("https://h/x?t={since}&t=abc"), "https://h/x?t={since}&t=…");
  assert.equal(printable(`https://h/x?q=${"x".repeat(17)}`), "https://h/x?q=…");
});

Deno.test("an endpoint that is inspected or serialised shows no secret", () => {
  const endpoint = new Endpoint(
    "https://me:s3cret@h/servers?token=s3cret&q=s3crets3crets3crets3cret",
  );
  for (const text of [Deno.inspect(endpoint), JSON.stringify(endpoint), String(endpoint)]) {
    assert.ok(!text.includes("s3cret"), text);
    assert.ok(!text.includes("Basic"), text);
  }
});

Deno.test("what is no endpoint is refused with what is accepted, and without its secrets", () => {
  const cases: [url: string, message: RegExp, hint: RegExp][] = [
    ["", /"" is no http or https URL/, /https:\/\/origin/],
    ["servers", /"servers"/, /put http:\/\/ or https:\/\//],
    ["origin.example:8080/x", /"origin.example:8080\/x"/, /put http:\/\/ or https:\/\//],
    ["ftp://me:s3cret@h/x", /"ftp:\/\/…@h\/x"/, /https:\/\/origin/],
    ["http://me:s3/cret@h/x", /"http:\/\/…@h\/x"/, /percent-encode/],
    ["http://me:s3?cr#et@h:port/x?s3cret", /"http:\/\/…@h:port\/x\?…"/, /percent-encode/],
    ["me:s3cret@h/x", /"…@h\/x"/, /https:\/\/origin/],
    ["http://me:%zzs3cret@h/x?q=1", /badly encoded/, /%25/],
    ["http://m%3Ae:s3cret@h/x", /has a colon/, /password/],
    ["http://{since}.h/x", /before its path/, /path or in the query/],
    ["http://me:{since}@h/x", /before its path/, /path or in the query/],
  ];
  for (const [url, message, hint] of cases) {
    assert.throws(() => new Endpoint(url), (error) => {
      assert.ok(error instanceof LockstepError);
      assert.equal(error.kind, "usage");
      assert.equal(error.retry, "never");
      assert.match(error.message, message);
      assert.match(error.hint, hint);
      assert.ok(!`${error.message}${error.hint}`.includes("s3"), error.message);
      return true;
    }, url);
  }
});
