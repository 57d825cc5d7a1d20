import assert from "node:assert/strict";
import { contentError, sniff } from "../../src/origin/content_type.ts";
import { type Decision, policyFor, type PolicyInput } from "../../src/origin/policy.ts";
import { retryAfterMs } from "../../src/origin/retry_after.ts";
import { LockstepError } from "../../src/protocol/errors.ts";

const NOW = Date.UTC(2026, 0, 31, 12);

function decide(
  status: number,
  headers: Record<string, string> = {},
  credentials: PolicyInput["credentials"] = "none",
  isConditional = false,
): Decision {
  return policyFor({
    status,
    headers: new Headers(headers),
    printable: "http://h/servers/0",
    credentials,
    isConditional,
    now: NOW,
  });
}

function failure(status: number, headers?: Record<string, string>): LockstepError {
  const decision = decide(status, headers);
  assert.ok(decision instanceof LockstepError, `${status}`);
  return decision;
}

Deno.test("every status has its line in the policy", () => {
  const location = { location: "/elsewhere" };
  for (let status = 100; status <= 999; status++) {
    const decision = decide(status, location);
    if ([204, 205].includes(status)) assert.equal(decision, "nothing-new", `${status}`);
    else if (status >= 200 && status < 300) assert.equal(decision, "read", `${status}`);
    else if ([301, 302, 303, 307, 308].includes(status)) assert.equal(decision, "follow");
    else {
      assert.ok(decision instanceof LockstepError, `${status}`);
      const soon = [408, 425, 429].includes(status) || (status >= 500 && status < 600);
      const expected = status === 410 ? "resync" : soon ? "soon" : "slow";
      assert.equal(decision.retry, expected, `${status}`);
      const isRedirect = status >= 300 && status < 400 && status !== 304;
      const kind = status === 410 ? "gone" : isRedirect ? "redirect" : "status";
      assert.equal(decision.kind, kind, `${status}`);
      assert.equal(decision.status, status);
      assert.ok(decision.message.includes(`http://h/servers/0 answered ${status}`));
      assert.ok(decision.hint.length > 10, `${status} has a hint`);
    }
  }
});

Deno.test("304 means nothing new only to who asked for what has changed", () => {
  assert.equal(decide(304, {}, "none", true), "nothing-new");
  const unasked = failure(304);
  assert.deepEqual([unasked.kind, unasked.retry, unasked.status], ["status", "slow", 304]);
  assert.match(unasked.message, /without a condition/);
});

Deno.test("a redirect without a Location is an error", () => {
  for (const status of [300, 301, 302, 303, 305, 307, 308]) {
    assert.equal(failure(status).kind, "redirect");
  }
});

Deno.test("the hint for refused credentials fits what was sent", () => {
  const hint = (status: number, credentials: PolicyInput["credentials"]) => {
    const decision = decide(status, {}, credentials);
    return decision instanceof LockstepError ? decision.hint : "";
  };
  assert.match(hint(401, "none"), /no credentials were sent/);
  assert.match(hint(401, "sent"), /were refused/);
  assert.match(hint(403, "sent"), /may not read/);
  assert.match(hint(401, "withheld"), /redirect/);
  assert.match(hint(404, "none"), /\{since\}/);
});

Deno.test("Retry-After is read in both of its forms, and capped at an hour", () => {
  const at = (value: string | null, date: string | null = null) => retryAfterMs(value, date, NOW);
  assert.equal(at("120"), 120_000);
  assert.equal(at("0"), 0);
  assert.equal(at("1.5"), 1500);
  assert.equal(at("86400"), 3_600_000);
  assert.equal(at("9".repeat(400)), 3_600_000);
  assert.equal(at("Sat, 31 Jan 2026 12:02:00 GMT"), 120_000);
  assert.equal(at("Saturday, 31-Jan-26 12:02:00 GMT"), 120_000);
  assert.equal(at("Sat Jan 31 12:02:00 2026"), 120_000);
  assert.equal(at("Sun, 01 Feb 2026 12:00:00 GMT"), 3_600_000);
  assert.equal(at("Sat, 31 Jan 2026 11:00:00 GMT"), 0);
});

Deno.test("a Retry-After date is measured by the origin's own clock where it tells the time", () => {
  const date = "Fri, 02 Jan 1970 00:00:00 GMT";
  assert.equal(retryAfterMs("Fri, 02 Jan 1970 00:00:30 GMT", date, NOW), 30_000);
  assert.equal(retryAfterMs("Sat, 31 Jan 2026 12:00:30 GMT", "nonsense", NOW), 30_000);
});

Deno.test("an unreadable Retry-After is none", () => {
  for (const value of [null, "", "soon", "-5", "1e9", "2026-01-31", "Sat, nonsense"]) {
    assert.equal(retryAfterMs(value, null, NOW), undefined, `${value}`);
  }
});

Deno.test("Retry-After is taken from any status that is retried", () => {
  for (const status of [429, 503, 500, 403]) {
    assert.equal(failure(status, { "retry-after": "7" }).retryAfterMs, 7000);
    assert.equal(failure(status).retryAfterMs, undefined);
  }
});

Deno.test("content that is certainly no record is refused by its type, everything else passes", () => {
  const refused = [
    "text/html",
    "Text/HTML; charset=utf-8",
    "application/xhtml+xml",
    "text/xml",
    "application/atom+xml",
    "image/png",
    "text/css",
    "text/javascript",
    "application/javascript",
    "application/pdf",
    "multipart/mixed; boundary=x",
    "text/csv",
    "application/gzip",
    "application/zip",
    "video/mp4",
  ];
  const passed = [
    "application/json",
    "application/x-ndjson; charset=utf-8",
    "application/jsonl",
    "application/vnd.origin+json",
    "text/plain",
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-json-stream",
    "text/event-stream",
    "application/json-seq",
    "",
    "nonsense",
  ];
  const error = (type: string) => contentError(new Headers({ "content-type": type }), "http://h/x");
  for (const type of refused) {
    const found = error(type);
    assert.equal(found?.kind, "not-records", type);
    assert.equal(found.retry, "slow");
    assert.ok(found.message.includes(type.split(";")[0]?.toLowerCase() ?? type), found.message);
  }
  for (const type of passed) assert.equal(error(type), null, type);
  assert.equal(contentError(new Headers(), "http://h/x"), null);
});

Deno.test("an encoding that would arrive as noise is refused by its name", () => {
  const error = (coding: string) =>
    contentError(new Headers({ "content-encoding": coding }), "http://h/x");
  for (const coding of ["gzip", "GZIP", "br", "identity"]) assert.equal(error(coding), null);
  for (const coding of ["zstd", "deflate", "gzip, zstd"]) {
    assert.match(error(coding)?.message ?? "", /"(zstd|deflate)"/);
  }
});

Deno.test("the first byte that isn't blank tells records from a page and from other encodings", () => {
  const CASES: readonly (readonly [body: string | number[], seen: ReturnType<typeof sniff>])[] = [
    ["", null],
    ["\n\r\n \t", null],
    ["\ufeff", null],
    [[0xef, 0xbb], null],
    ["{", "records"],
    ["[", "records"],
    ["\x1e{}", "records"],
    ["data: {}", "records"],
    ["\ufeff\n  {}", "records"],
    ["not json at all", "records"],
    ["\n <!doctype html>", "markup"],
    ["\ufeff<?xml", "markup"],
    [[0x1f, 0x8b, 8], "gzip"],
    [[0x28, 0xb5, 0x2f, 0xfd], "zstd"],
    [[0xff, 0xfe, 0x7b, 0], "UTF-16 text"],
    [[0xfe, 0xff, 0, 0x7b], "UTF-16 text"],
    [[0x7b, 0, 0x22, 0], "UTF-16 text"],
    [[0, 0x7b, 0, 0x22], "UTF-16 text"],
    [[0x0a, 0x12, 0x0a, 0x05], "binary data"],
    [[0x08, 0x96, 0x01], "binary data"],
  ];
  for (const [body, seen] of CASES) {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : Uint8Array.from(body);
    assert.equal(sniff(bytes), seen, JSON.stringify(body));
  }
});
