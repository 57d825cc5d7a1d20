import assert from "node:assert/strict";
import {
  answered,
  beginPass,
  belowHead,
  doubted,
  type EndedAnswer,
  opened,
  type OpenedAnswer,
  type Pass,
  type PassStep,
} from "../../src/replica/pass.ts";

const NOTHING: EndedAnswer = {
  since: 100,
  records: 0,
  unreadable: 0,
  newest: null,
  least: null,
  isEndProved: true,
  head: null,
  isNothingNew: false,
  hasNext: false,
};

function answer(records: number, newest: number, more: Partial<EndedAnswer> = {}): EndedAnswer {
  return { ...NOTHING, records, newest, least: newest, ...more };
}

function open(newest: number | null, isSorted = true): OpenedAnswer {
  return { records: 1, unreadable: 0, newest, isSorted };
}

/** A step in a word. */
function word(step: PassStep): string {
  switch (step.next) {
    case "page":
      return "page";
    case "again":
      return step.pauses ? "again after the pause" : "again at once";
    case "end":
      return step.end.complete ? `complete: ${step.end.proof}` : step.end.proof;
    case "fail":
      return `fails: ${step.why}`;
  }
}

/** The words of several answers in a row. */
function words(begin: Pass, ...answers: EndedAnswer[]): string[] {
  let pass: Pass | null = begin;
  return answers.map((each) => {
    if (pass === null) return "over";
    const step = answered(pass, each);
    pass = step.next === "fail" ? null : step.pass;
    return word(step);
  });
}

type Before = "begun" | "brought" | "behind two short ones" | "linked" | "unproved" | "once below";
type What =
  | "nothing"
  | "304"
  | "nothing above"
  | "something above"
  | "something above, but short"
  | "a full page of one order"
  | "at its head"
  | "a full page at its head"
  | "above its head"
  | "below its head, something above"
  | "below its head, nothing above"
  | "a link"
  | "a body that merely closes";

const BEGUN = beginPass(100);
const SHORT = { ...BEGUN, greatest: 100, longest: 1000 };
const BEFORE: Readonly<Record<Before, Pass>> = {
  begun: BEGUN,
  brought: { ...SHORT, records: 1000, atOnce: 1 },
  "behind two short ones": { ...SHORT, short: 2 },
  linked: { ...BEGUN, isLinked: true, pages: { records: 7, newest: 100, least: 100, empty: 0 } },
  unproved: { ...BEGUN, isProved: false },
  "once below": { ...BEGUN, belowHead: 1 },
};

const WHAT: Readonly<Record<What, EndedAnswer>> = {
  nothing: NOTHING,
  "304": { ...NOTHING, isNothingNew: true },
  "nothing above": answer(3, 100),
  "something above": answer(1000, 200),
  "something above, but short": answer(99, 200),
  "a full page of one order": answer(1000, 100),
  "at its head": answer(3, 200, { head: "at" }),
  "a full page at its head": answer(1000, 200, { head: "at" }),
  "above its head": answer(1000, 200, { head: "above" }),
  "below its head, something above": answer(1000, 200, { head: "below" }),
  "below its head, nothing above": answer(3, 100, { head: "below" }),
  "a link": answer(1000, 200, { hasNext: true }),
  "a body that merely closes": answer(3, 100, { isEndProved: false }),
};

const WHOLE = "complete: whole";
const UNPROVED = "complete: unproved-end";
const AT_ONCE = "again at once";

function row(differing: Partial<Record<What, string>>): Record<What, string> {
  return {
    nothing: WHOLE,
    "304": WHOLE,
    "nothing above": WHOLE,
    "something above": AT_ONCE,
    "something above, but short": AT_ONCE,
    "a full page of one order": "complete: tie-page",
    "at its head": WHOLE,
    "a full page at its head": AT_ONCE,
    "above its head": WHOLE,
    "below its head, something above": AT_ONCE,
    "below its head, nothing above": "again after the pause",
    "a link": "page",
    "a body that merely closes": UNPROVED,
    ...differing,
  };
}

const TABLE: Readonly<Record<Before, Record<What, string>>> = {
  begun: row({}),
  brought: row({ "something above, but short": "again after the pause" }),
  "behind two short ones": row({ "something above, but short": "never-pauses" }),
  linked: row({ "a full page of one order": WHOLE }),
  unproved: row({
    nothing: UNPROVED,
    "304": UNPROVED,
    "nothing above": UNPROVED,
    "at its head": UNPROVED,
    "above its head": UNPROVED,
  }),
  "once below": row({ "below its head, nothing above": "fails: below-head" }),
};

Deno.test("every answer has its consequence in every state of a pass", () => {
  for (const [before, row] of Object.entries(TABLE)) {
    for (const [what, expected] of Object.entries(row)) {
      const step = answered(BEFORE[before as Before], WHAT[what as What]);
      assert.deepEqual(word(step), expected, `${what}, ${before}`);
    }
  }
});

Deno.test("a first fill is complete only when an answer brings nothing above what came before", () => {
  assert.deepEqual(words(beginPass(null), answer(1000, 9), answer(1, 9)), [AT_ONCE, WHOLE]);
});

Deno.test("pages cut by their bytes are followed to their end, however short some are", () => {
  const lengths = [102, 16, 16, 30, 111, 4];
  const pages = lengths.map((length, i) => answer(length, i + 1));
  const steps = words(beginPass(null), ...pages, answer(2, 6));
  const expected = [...Array(5).fill(AT_ONCE), "again after the pause", WHOLE];
  assert.deepEqual(steps, expected);
});

Deno.test("an origin that never pauses is live after three short answers, and asked again", () => {
  const short = (newest: number) => answer(9, newest);
  const pause = "again after the pause";
  assert.deepEqual(
    words(beginPass(null), answer(1000, 1), short(2), short(3), short(4), short(5), answer(1, 5)),
    [AT_ONCE, pause, pause, "never-pauses", "never-pauses", WHOLE],
  );
});

Deno.test("what gathers in a pause is no backlog; what comes at once again is one", () => {
  const long = (newest: number) => answer(500, newest);
  const short = (newest: number) => answer(2, newest);
  const pause = "again after the pause";
  assert.deepEqual(
    words(beginPass(5), long(6), short(7), long(8), short(9), long(10), short(11)),
    [AT_ONCE, pause, AT_ONCE, pause, AT_ONCE, "never-pauses"],
  );
  assert.deepEqual(
    words(beginPass(5), long(6), short(7), long(8), short(9), long(10), long(11), short(12)).at(-1),
    pause,
  );
});

Deno.test("linked pages are one answer, whose greatest order counts at its end", () => {
  const linked = { hasNext: true };
  const first = answered(beginPass(null), answer(10, 50, linked));
  assert.deepEqual(word(first), "page");
  if (first.next !== "page") return;
  assert.deepEqual(first.pass.greatest, null);
  const last = answered(first.pass, answer(10, 20));
  assert.deepEqual(word(last), AT_ONCE);
  if (last.next !== "again") return;
  assert.deepEqual([last.pass.greatest, last.pass.records, last.pass.isLinked], [null, 20, true]);
  const again = answered(last.pass, answer(10, 40, linked));
  if (again.next !== "page") throw new Error("no page");
  const more = answered(again.pass, answer(11, 51));
  if (more.next !== "again") throw new Error("complete too early");
  assert.equal(more.pass.greatest, 50, "what two answers have brought isn't asked for again");
  const end = answered(more.pass, answer(2, 51));
  assert.deepEqual(end.next === "end" && end.end, {
    complete: true,
    proof: "whole",
    reason: null,
    since: null,
    records: 43,
    unreadable: 0,
    greatest: 51,
    isLinked: true,
    longest: 21,
  });
});

Deno.test("links that lead from empty page to empty page are given up", () => {
  const empty = { ...NOTHING, hasNext: true };
  const steps = words(beginPass(null), ...Array.from({ length: 101 }, () => empty));
  assert.deepEqual([...new Set(steps)], ["page", "fails: empty-pages"]);
});

Deno.test("one unproved end leaves the whole pass unproved", () => {
  assert.deepEqual(
    words(beginPass(null), answer(5, 1, { isEndProved: false }), answer(1, 1)),
    [AT_ONCE, UNPROVED],
  );
});

Deno.test("a longer answer of the pass before tells that so many of one order are no page", () => {
  assert.deepEqual(words(beginPass(100, 5000), answer(60, 100)), [WHOLE]);
  assert.deepEqual(words(beginPass(100), answer(60, 100)), ["complete: tie-page"]);
});

Deno.test("an answer below its head is asked for once more, and the second time it is a failure", () => {
  const once = belowHead(beginPass(5));
  assert.deepEqual(word(once), "again after the pause");
  if (once.next !== "again") return;
  assert.deepEqual(word(belowHead(once.pass)), "fails: below-head");
  assert.deepEqual(word(belowHead(opened(once.pass, open(6)))), "again after the pause");
});

Deno.test("a quiet answer is believed when the next is quiet too, and brings nothing above", () => {
  const first = doubted(beginPass(null), open(5));
  if (first === null) throw new Error("believed at once");
  assert.deepEqual([first.greatest, first.guesses], [5, 1]);
  assert.deepEqual(doubted(first, open(5)), null);
  assert.deepEqual(doubted(first, open(null)), null);
  const second = doubted(first, open(6));
  assert.deepEqual([second?.greatest, second?.guesses], [6, 2]);
});

Deno.test("an answer in no order is asked for again from where it began, not from its greatest", () => {
  const first = doubted(beginPass(3), open(9, false));
  if (first === null) throw new Error("believed at once");
  assert.deepEqual([first.greatest, first.newest], [3, 9]);
  assert.deepEqual(doubted(first, open(9, false)), null);
});
