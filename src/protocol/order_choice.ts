/**
 * Of which type a table's orders are, where nobody says: judged by the records that come first.
 *
 * @module
 */

import type { OrderType } from "./cursor.ts";
import { isDecimal } from "./decimal.ts";
import { LockstepError } from "./errors.ts";
import { canonicalTime } from "./iso_time.ts";

/** Records that are judged. */
export const CHOICE_RECORDS = 1000;

/**
 * The type of most of the values; null where none of them is an order.
 *
 * @throws {LockstepError} where they are digits that text would compare wrongly
 */
export function chooseType(values: readonly unknown[]): OrderType | null {
  let numbers = 0;
  const texts: string[] = [];
  for (const value of values.slice(0, CHOICE_RECORDS)) {
    if (typeof value === "number" || typeof value === "bigint") numbers++;
    else if (typeof value === "string") texts.push(value);
  }
  if (numbers === 0 && texts.length === 0) return null;
  if (numbers >= texts.length) return "number";
  if (2 * texts.filter((text) => canonicalTime(text) !== null).length > texts.length) return "time";
  let digits: number | null = null;
  for (const text of texts) {
    if (!isDecimal(text)) continue;
    refuseDigits(text, digits);
    digits = text.length;
  }
  return "text";
}

/** Digits and nothing else, which sort as text as they do as numbers while their number is one. */
const DIGITS = /^\d+$/;

/**
 * Refuses a decimal in a table of texts where the two would not sort alike.
 *
 * @param digits how many digits the others have; null where there are none yet
 * @throws {LockstepError} with the option to give
 */
export function refuseDigits(text: string, digits: number | null): void {
  const isAlike = DIGITS.test(text) && (digits === null || text.length === digits);
  if (isAlike) return;
  const found = JSON.stringify(text.slice(0, 40));
  throw unclear(
    digits === null
      ? `the order field holds the text ${found}, which as text doesn't sort as the number does`
      : `the order field holds numbers as text, of ${digits} digits and now ${found}: ` +
        "as text they don't sort as numbers do",
  );
}

/** Orders of which it isn't clear how they are to be compared. */
function unclear(message: string): LockstepError {
  return new LockstepError(message, {
    kind: "not-records",
    retry: "slow",
    hint: "give --order-type number to compare them by value, or --order-type text if they are " +
      "codes; with --resync where the table has rows",
  });
}

/** Judges by one answer whether texts are what the origin sorts them by. */
export class TextOrder {
  #count = 0;
  #last: string | null = null;
  #isText = true;
  #isNumber = true;
  #isDate = true;

  /** The next record's order. */
  note(text: string): void {
    const last = this.#last;
    this.#last = text;
    if (++this.#count > CHOICE_RECORDS || last === null) return;
    if (text < last) this.#isText = false;
    if (this.#isNumber) this.#isNumber = Number(text) >= Number(last);
    if (this.#isDate) this.#isDate = Date.parse(text) >= Date.parse(last);
  }

  /** Whether there is enough of the answer. */
  get isFull(): boolean {
    return this.#count >= CHOICE_RECORDS;
  }

  /** @throws {LockstepError} where the answer is sorted, but not as text */
  check(): void {
    if (this.#isText || !(this.#isNumber || this.#isDate)) return;
    const how = this.#isNumber ? "numbers" : "dates";
    throw new LockstepError(
      `the origin sorts the texts in its order field as ${how}, such as ${
        JSON.stringify(this.#last?.slice(0, 40))
      }: as text they are out of order`,
      {
        kind: "not-records",
        retry: "slow",
        hint: this.#isNumber
          ? "give --order-type number; or --order-type text if they are codes"
          : "order by a field that holds numbers or ISO-8601 times (--order-by); or give " +
            "--order-type text if they are codes",
      },
    );
  }
}
