/**
 * Reads what `deno test --junit-path` writes.
 *
 * @module
 */

/** What became of the tests. Steps of a test count as tests. */
export interface Tally {
  readonly passed: number;
  /** Names, each with its file. */
  readonly failed: readonly string[];
  /** Names of the tests that are switched off on this machine: each says why. */
  readonly skipped: readonly string[];
}

/** Counts the test cases of a report. */
export function tallyOf(xml: string): Tally {
  const failed: string[] = [];
  const skipped: string[] = [];
  let passed = 0;
  for (const [, attributes = "", body = ""] of xml.matchAll(CASE)) {
    const name = unescape(/ name="([^"]*)"/.exec(` ${attributes}`)?.[1] ?? "");
    const file = unescape(/ classname="([^"]*)"/.exec(attributes)?.[1] ?? "");
    if (/<(failure|error)\b/.test(body)) failed.push(`${name} (${file})`);
    else if (body.includes("<skipped")) skipped.push(name);
    else passed++;
  }
  return { passed, failed, skipped };
}

const CASE = /<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescape(text: string): string {
  return text.replace(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
