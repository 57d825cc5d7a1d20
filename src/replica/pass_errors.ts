/**
 * What is wrong with an origin whose answers are whole, and don't tell what they should.
 *
 * @module
 */

import { formatOrder } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { AnswerStats } from "./answer_stats.ts";

/** A finite answer that holds something, and nothing that can be used. */
export function unusableAnswer(reading: AnswerStats, url: string): LockstepError {
  return new LockstepError(`nothing that ${url} sends can be used: ${reading.complaint}`, {
    kind: "not-records",
    retry: "slow",
    hint: "check the URL, and --key and --order-by, against what the origin sends",
  });
}

/** An answer that stays open, for a table without rows, and holds no record. */
export function onlyForeign(reading: AnswerStats, url: string): LockstepError {
  return new LockstepError(`${url} has sent no record yet, only: ${reading.complaint}`, {
    kind: "not-records",
    retry: "soon",
    hint: "nothing, if the origin has no record yet; else check the URL, --key and --order-by",
  });
}

/** The origin's own head contradicts what it sends, or its links lead nowhere. */
export function behindHead(
  why: "below-head" | "empty-pages",
  { asked, greatest }: AnswerStats,
  url: string,
): LockstepError {
  if (why === "empty-pages") {
    return new LockstepError(`${url} links from one empty page to the next`, {
      kind: "not-records",
      retry: "slow",
      hint: "mend the origin's Link headers: the last page has none to a next one",
    });
  }
  const announced = asked.head === null ? "nothing" : formatOrder(asked.head);
  const at = greatest ?? asked.since;
  return new LockstepError(
    `${url} announced ${announced}, stays at ${at === null ? "nothing" : formatOrder(at)}: ` +
      "buffered or filtered in between",
    {
      kind: "behind-head",
      retry: "slow",
      hint: "switch buffering off in the proxy before the origin (nginx: proxy_buffering off)",
    },
  );
}

/** A link leads back to a page that was read before. */
export function linkedInCircle(url: string): LockstepError {
  return new LockstepError(`${url} links to a next page that was read before`, {
    kind: "not-records",
    retry: "slow",
    hint: "mend the origin's Link headers: the last page has none to a next one",
  });
}
