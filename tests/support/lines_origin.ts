/**
 * An origin whose records are lines of JSON text, exactly as they are given: it answers with those
 * that are not below what it is asked for, by a comparison of its own.
 *
 * @module
 */

import { compareDecimals } from "../../src/protocol/decimal.ts";
import { canonicalTime } from "../../src/protocol/iso_time.ts";
import { MisbehavingOrigin, records } from "./misbehaving_origin.ts";

/** Negative, zero or positive as the origin sorts `a` before, with or after `b`. */
export type Comparison = (a: string, b: string) => number;

const byCode: Comparison = (a, b) => a < b ? -1 : a > b ? 1 : 0;

/** How origins compare orders; `0` comes before everything. */
export const COMPARISONS = {
  /** By code unit, as a column of text does. */
  texts: byCode,
  /** As instants, as a column of times does. */
  times: (a, b) => byCode(canonicalTime(a) ?? "", canonicalTime(b) ?? ""),
  /** By value, with every digit, as a column of numbers does. */
  numbers: compareDecimals,
} satisfies Record<string, Comparison>;

/** A record's text and its order as the origin has it. */
export interface Line {
  readonly text: string;
  readonly order: string;
}

/** A record with these fields; its order stands in the text as it is given here. */
export function line(id: number, order: string, fields = "", isNumber = false): Line {
  const written = isNumber ? order : JSON.stringify(order);
  return { text: `{"id":${id},"updated_at":${written},"deleted_at":null${fields}}`, order };
}

export class LinesOrigin implements AsyncDisposable {
  readonly #origin: MisbehavingOrigin;
  lines: readonly Line[] = [];
  /** Records of an answer at most. */
  limit = Infinity;

  private constructor(origin: MisbehavingOrigin) {
    this.#origin = origin;
  }

  static async start(compare: Comparison, lines: readonly Line[]): Promise<LinesOrigin> {
    const server = await MisbehavingOrigin.start();
    const origin = new LinesOrigin(server);
    origin.lines = lines;
    server.next((conversation) => {
      const since = decodeURIComponent(conversation.request.path.split("/").at(-1) ?? "");
      const found = since === "0"
        ? origin.lines
        : origin.lines.filter(({ order }) => compare(order, since) >= 0);
      const sorted = found.toSorted((a, b) => compare(a.order, b.order));
      const answer = records(sorted.slice(0, origin.limit).map(({ text }) => `${text}\n`).join(""));
      return answer(conversation);
    });
    return origin;
  }

  get url(): string {
    return `${this.#origin.url}/servers`;
  }

  /** What was asked for, decoded. */
  get asked(): string[] {
    return this.#origin.requests.map(({ path }) =>
      decodeURIComponent(path.split("/").at(-1) ?? "")
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#origin.close();
  }
}
