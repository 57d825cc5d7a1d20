import assert from "node:assert/strict";
import { nextPage } from "../../src/origin/link.ts";

const AT = new URL("https://origin.example/items?since=5&secret=x");
const next = (header: string | null) => nextPage(header, AT, "https://origin.example");

Deno.test("the next page is found among all links, however they are written", () => {
  const page2 = "https://origin.example/items?page=2";
  assert.equal(next(null), null);
  assert.equal(next(""), null);
  assert.equal(next('<?page=1>; rel="prev"'), null);
  assert.equal(next('<?page=2>; rel="next"'), page2);
  assert.equal(next("<?page=2>;rel=next"), page2);
  assert.equal(next('</items?page=2>; title="a, <b>; rel=prev"; REL="prefetch NEXT"'), page2);
  assert.equal(next(`<?page=1>; rel="prev", <${page2}>; rel="next"; type="x"`), page2);
  assert.equal(
    next('<?a=1,2&page=3>; rel="next", <?page=9>; rel="last"')?.endsWith("page=3"),
    true,
  );
  assert.equal(next('<?page=2>; rel="nextish"'), null);
});

Deno.test("a next page on another server is refused, and no secret is said", () => {
  for (const target of ["http://origin.example/items", "https://evil.example/?token=s3cret"]) {
    assert.throws(() => next(`<${target}>; rel="next"`), (error: Error) => {
      assert.match(error.message, /on another server/);
      assert.ok(!error.message.includes("s3cret"));
      return true;
    });
  }
});
