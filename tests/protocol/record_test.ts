import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type JsonObject,
  placeNames,
  readRow,
  recordOf,
  valueAt,
} from "../../src/protocol/record.ts";

const POINTED = { key: ["/data/id"], orderBy: "/data/at/time", deletedBy: "/meta/gone" };

Deno.test("key, order and deletion are read where pointers lead", () => {
  const value = { data: { id: 7, at: { time: 9007199254740993n } }, meta: { gone: 5 } };
  assert.deepEqual(readRow(value, 60, POINTED), {
    key: [7],
    order: 9007199254740993n,
    deletedAt: 5,
    value,
    length: 60,
  });
  assert.equal(readRow({ data: { at: { time: 1 } } }, 1, POINTED), "no key");
  assert.equal(readRow({ data: { id: 1, at: 5 } }, 1, POINTED), "no order");
  assert.equal(readRow({ data: { id: {}, at: 5 } }, 1, POINTED), "bad key");
});

Deno.test("a pointer follows RFC 6901: escapes, positions in arrays, no inherited names", () => {
  const record = { "a/b": { "~": [10, 20] }, "": 3, "/x": 4 };
  assert.equal(valueAt(record, "/a~1b/~0/1"), 20);
  assert.equal(valueAt(record, "/a~1b/~0/01"), undefined);
  assert.equal(valueAt(record, "/a~1b/~0/-"), undefined);
  assert.equal(valueAt(record, "/a~1b/~0/length"), undefined);
  assert.equal(valueAt(record, "/"), 3);
  assert.equal(valueAt(record, "/~1x"), 4);
  assert.equal(valueAt(record, "/constructor/name"), undefined);
  assert.deepEqual(placeNames("/~01"), ["~1"]);
});

Deno.test("what a record is made of is found at its places again", () => {
  const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "a", "constructor"));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), fc.integer(), (names, value) => {
      const place = names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`)
        .join("");
      const record: JsonObject = recordOf([[place, value], ["plain~/", 1]]);
      assert.equal(valueAt(record, place), value);
      assert.equal(valueAt(record, "plain~/"), 1);
    }),
  );
});
