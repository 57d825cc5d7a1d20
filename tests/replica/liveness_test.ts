import assert from "node:assert/strict";
import { isWrittenNow, judge, type OpenAnswer, type Verdict } from "../../src/replica/liveness.ts";

/** Headers at 0, a record at 100 ms. */
const ANSWER: OpenAnswer = {
  headersAt: 0,
  lastDataAt: 100,
  blockedAt: null,
  isPending: false,
  head: null,
  isNow: false,
  records: 1,
  unusable: 0,
  foreign: 0,
  hasRows: false,
};
const SILENT: Partial<OpenAnswer> = { lastDataAt: null, records: 0 };

type Case =
  | "records"
  | "nothing"
  | "nothing, and the table has rows"
  | "half a record"
  | "we were slow"
  | "below its head"
  | "below its head, written now"
  | "nothing, below its head"
  | "at its head"
  | "written now"
  | "only foreign objects"
  | "only foreign objects, and the table has rows"
  | "foreign objects behind a record"
  | "only unusable records"
  | "only unusable records, and the table has rows";

const CASES: Readonly<Record<Case, Partial<OpenAnswer>>> = {
  records: {},
  nothing: SILENT,
  "nothing, and the table has rows": { ...SILENT, hasRows: true },
  "half a record": { isPending: true },
  "we were slow": { blockedAt: 4_000 },
  "below its head": { head: "below" },
  "below its head, written now": { head: "below", isNow: true },
  "nothing, below its head": { ...SILENT, head: "below" },
  "at its head": { head: "reached" },
  "written now": { isNow: true },
  "only foreign objects": { ...SILENT, foreign: 1 },
  "only foreign objects, and the table has rows": { ...SILENT, foreign: 1, hasRows: true },
  "foreign objects behind a record": { foreign: 1 },
  "only unusable records": { records: 0, unusable: 1 },
  "only unusable records, and the table has rows": { records: 0, unusable: 1, hasRows: true },
};

/** What is known after half a second, 1.2 s, 5.2 s and 31 s. */
const TIMES = [500, 1_200, 5_200, 31_000];
const R = "reading";

const TABLE: Readonly<Record<Case, readonly [Verdict, Verdict, Verdict, Verdict]>> = {
  records: [R, "quiet", "quiet", "quiet"],
  nothing: [R, R, "quiet", "quiet"],
  "nothing, and the table has rows": [R, R, "quiet", "quiet"],
  "half a record": [R, R, R, R],
  "we were slow": [R, R, "quiet", "quiet"],
  "below its head": [R, R, R, "stalled"],
  "below its head, written now": [R, R, R, "stalled"],
  "nothing, below its head": [R, R, R, "stalled"],
  "at its head": ["head", "head", "head", "head"],
  "written now": ["now", "now", "now", "now"],
  "only foreign objects": ["waiting", "waiting", "waiting", "waiting"],
  "only foreign objects, and the table has rows": [R, R, "quiet", "quiet"],
  "foreign objects behind a record": [R, "quiet", "quiet", "quiet"],
  "only unusable records": [R, "unusable", "unusable", "unusable"],
  "only unusable records, and the table has rows": [R, "quiet", "quiet", "quiet"],
};

Deno.test("what is known of an open answer follows from what it brought, and when", () => {
  for (const [name, verdicts] of Object.entries(TABLE)) {
    const answer = { ...ANSWER, ...CASES[name as Case] };
    const found = TIMES.map((now) => judge(answer, now));
    assert.deepEqual(found, [...verdicts], name);
  }
});

Deno.test("a silence that deceived has to last longer the next time", () => {
  assert.deepEqual([1_200, 2_200].map((now) => judge(ANSWER, now, 2)), ["reading", "quiet"]);
});

Deno.test("an order is written now only when it is near the origin's now, not when it is later", () => {
  const date = Date.UTC(2026, 10, 25, 8);
  const elapsed = 250;
  const cases: readonly (readonly [number, boolean])[] = [
    [0, false],
    [1_000, false],
    [1_001, true],
    [2_250, true],
    [2_251, false],
    [2 * 3_600_000, false],
    [-2 * 3_600_000, false],
  ];
  for (const [ahead, expected] of cases) {
    assert.deepEqual(isWrittenNow(date + ahead, date, elapsed), expected, `${ahead} ms later`);
  }
});
