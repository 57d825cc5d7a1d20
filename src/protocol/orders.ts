/**
 * The orders of one table: of which type they are, how the origin writes them, and in which text
 * the origin is asked for what comes after one.
 *
 * @module
 */

import { formatOrder, type Order, type OrderType, readOrder, roundedDown } from "./cursor.ts";
import { compareDecimals, isDecimal } from "./decimal.ts";
import { LockstepError } from "./errors.ts";
import {
  fullForm,
  hasPlainForm,
  isSameForm,
  type TimeForm,
  timeForm,
  writeTime,
} from "./iso_time.ts";
import { chooseType, refuseDigits } from "./order_choice.ts";
import type { OrderReading, RecordShape, Refusal, RefusedOrder } from "./record.ts";

/** What the store keeps of a table's orders, besides the cursor. */
export interface OrderState {
  readonly type: OrderType;
  /** Whether the type was asked for; else the records, or the origin's feed, decided it. */
  readonly isChosen: boolean;
  /** Times: how the origin writes them; null before the first. */
  readonly form: TimeForm | null;
  /**
   * Times: how much earlier than the cursor to ask, in seconds, because not all are written alike:
   * an origin that compares texts would leave rows out. Null while all are.
   */
  readonly slackSeconds: number | null;
  /** Times: the least and the greatest offset of a zone, in seconds. */
  readonly offsets: readonly [least: number, greatest: number];
  /** Numbers: whether some were written with more digits than a double has. */
  readonly isFine: boolean;
  /** Texts that nobody chose: how many digits they have, where they have nothing else. */
  readonly digits: number | null;
}

/** Texts of orders that are remembered at most; of others, the number rounded down is asked. */
const TEXTS_KEPT = 100_000;

/** Seconds that differ may be written with a fraction or without. */
const WIDTH_SLACK_SECONDS = 1;

/** A blank sorts before `T`: behind the date nothing can be said. */
const SEPARATOR_SLACK_SECONDS = 86_400;

function freshState(type: OrderType, isChosen: boolean): OrderState {
  return {
    type,
    isChosen,
    form: null,
    slackSeconds: null,
    offsets: [0, 0],
    isFine: false,
    digits: null,
  };
}

/** Years that four digits can't write. */
const FAR_YEAR = /^(?:[+-]\d{4,}|\d{5,})-\d\d-\d\d/;

/** Reads a table's orders and remembers how they are written. */
export class TableOrders implements OrderReading {
  #state: OrderState | null;
  /** Whether the next records decide on the type. */
  #isOpen: boolean;
  /** Whether a thousand records have decided: the first of them alone don't decide again. */
  #isSettled = false;
  /** Texts that don't follow from their orders: of several of one order, the least. */
  readonly #texts = new Map<Order, string>();

  /**
   * @param stored as the store has it; null where it has none
   * @param chosen the type that was asked for; null to go by the records
   */
  constructor(stored: OrderState | null = null, chosen: OrderType | null = null) {
    if (chosen === null) this.#state = stored;
    else if (stored?.type === chosen) this.#state = { ...stored, isChosen: true };
    else this.#state = freshState(chosen, true);
    this.#isOpen = this.#state === null;
  }

  /** The table's type; null until it is decided. */
  get type(): OrderType | null {
    return this.#state?.type ?? null;
  }

  /** Whether the next records are to decide on the type. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether orders are texts, and nobody said so. */
  get isGuessedText(): boolean {
    return this.#state?.type === "text" && !this.#state.isChosen;
  }

  /** What is to be kept; null until there is something. */
  get state(): OrderState | null {
    return this.#state;
  }

  /** Takes a type that nobody asked for. */
  decideAs(type: OrderType): void {
    this.#state = freshState(type, false);
  }

  /** The origin's feed says of which type they are: that decides, where it is still to be done. */
  told(type: OrderType): void {
    if (this.#isOpen && type !== this.type) this.#state = freshState(type, true);
    this.#isOpen = false;
  }

  /** Lets the next records decide anew, where they had decided: everything is read again. */
  reopen(): void {
    this.#isOpen = this.#state?.isChosen !== true && !this.#isSettled;
    this.#isSettled = false;
  }

  /**
   * Judges the decision by more records than those that it was made by.
   *
   * @throws {LockstepError} where it was wrong: everything is to be read again, by the other type
   */
  settle(values: readonly unknown[]): void {
    const before = this.type;
    const type = chooseType(values);
    if (type === null || before === null || type === before) return;
    this.#state = freshState(type, false);
    this.#isSettled = true;
    throw new LockstepError(
      `most orders turned out to be of type ${type}, unlike the first, which were of type ${before}`,
      { kind: "not-records", retry: "resync", hint: "nothing to do: everything is read again" },
    );
  }

  /**
   * Decides on the type, where that is still to be done.
   *
   * @param values of the order field, as the first records have it
   * @throws {LockstepError} where they would be compared wrongly: the type must be given
   */
  decide(values: readonly unknown[]): void {
    if (!this.#isOpen) return;
    // A type that some of them have stays.
    const { type: before } = this;
    const isKept = before !== null && values.some((value) => readOrder(value, before) !== null);
    const type = isKept ? before : chooseType(values);
    if (type === null) return;
    this.#isOpen = false;
    if (type !== this.type) this.#state = freshState(type, false);
  }

  /**
   * The order that a record's value stands for, or why it can't be used.
   *
   * @param source the text of a number with a fraction, as it was sent
   * @throws {LockstepError} where texts turn out to be numbers of different length
   */
  read(value: unknown, source?: () => string | null): Order | RefusedOrder {
    const state = this.#state;
    const order = readOrder(value, state?.type ?? null);
    if (order === null) return { refusal: this.#refusal(value) };
    if (state === null) return order;
    if (typeof order === "string") {
      const refusal = state.type === "time" ? this.#noteForm(String(value), order) : null;
      if (state.type === "text" && !state.isChosen) this.#noteDigits(order);
      return refusal === null ? order : { refusal };
    }
    if (typeof value === "string") {
      // Texts are numbers only for those who said so.
      if (!state.isChosen) return { refusal: "order of another kind" };
      this.#noteText(order, value);
    } else if (typeof order === "number" && !Number.isInteger(order)) {
      this.#noteText(order, source?.() ?? null);
    }
    return order;
  }

  #refusal(value: unknown): Refusal {
    const isOrder = typeof value === "string" || typeof value === "number" ||
      typeof value === "bigint";
    if (!isOrder) return "bad order";
    return typeof value === "string" && FAR_YEAR.test(value)
      ? "year beyond 9999"
      : "order of another kind";
  }

  /** The text that stands for an order at the origin: as it sent it, or less. */
  textOf(order: Order): string {
    const state = this.#state;
    const text = this.#texts.get(order);
    if (text !== undefined) return text;
    if (typeof order === "string") {
      const form = state?.type === "time" ? state.form : null;
      return form === null ? order : writeTime(order, fullForm(order, form));
    }
    return typeof order === "number" && state?.isFine ? roundedDown(order) : formatOrder(order);
  }

  /** The text to ask the origin by, so that nothing from an order on is left out. */
  askText(order: Order): string {
    const { form, slackSeconds } = this.#state ?? {};
    if (typeof order !== "string" || form == null || slackSeconds == null) {
      return this.textOf(order);
    }
    return writeTime(order, form, slackSeconds * 1000);
  }

  /** Remembers the text of an order that was stored. */
  remember(order: Order | null, text: string | null | undefined): void {
    if (order === null || text === undefined || text === null) return;
    if (text !== formatOrder(order) && readOrder(text, this.type) !== null) {
      this.#texts.set(order, text);
    }
  }

  /** The shape of the table's records, whose order type is always the present one. */
  shapeOf({ key, orderBy, deletedBy, deletedValue }: RecordShape): RecordShape {
    const present = () => this.type;
    return {
      key,
      orderBy,
      deletedBy,
      deletedValue,
      get orderType() {
        return present();
      },
    };
  }

  #noteForm(text: string, order: string): Refusal | null {
    const refusal = this.#compareForm(text);
    // While all are written alike, the order tells its text.
    const isUneven = this.#state !== null && this.#state.slackSeconds !== null;
    if (refusal === null && isUneven) this.#keep(order, text, (a, b) => a < b ? -1 : 1);
    return refusal;
  }

  #compareForm(text: string): Refusal | null {
    const state = this.#state;
    if (state === null) return null;
    const { form } = state;
    if (form !== null && hasPlainForm(text, form)) return null;
    const found = timeForm(text);
    if (found === null || (form !== null && isSameForm(found, form))) return null;
    if (form === null) {
      this.#state = { ...state, form: found, offsets: [found.offset, found.offset] };
      return null;
    }
    if (found.isZoned !== form.isZoned) return "zoned and naive times";
    const offsets = [
      Math.min(state.offsets[0], found.offset),
      Math.max(state.offsets[1], found.offset),
    ] as const;
    const isMixed = found.separator !== form.separator || found.isBasic !== form.isBasic;
    const slackSeconds = Math.max(
      state.slackSeconds ?? 0,
      WIDTH_SLACK_SECONDS + offsets[1] - offsets[0] + (isMixed ? SEPARATOR_SLACK_SECONDS : 0),
    );
    if (slackSeconds !== state.slackSeconds || offsets.some((at, i) => at !== state.offsets[i])) {
      this.#state = { ...state, offsets, slackSeconds };
    }
    return null;
  }

  #noteDigits(text: string): void {
    const state = this.#state;
    if (state === null || !isDecimal(text)) return;
    refuseDigits(text, state.digits);
    if (state.digits === null) this.#state = { ...state, digits: text.length };
  }

  #noteText(order: number | bigint, text: string | null): void {
    const state = this.#state;
    if (state === null) return;
    const isPlain = text === formatOrder(order);
    if (!isPlain && !state.isFine) this.#state = { ...state, isFine: true };
    if (text === null || (isPlain && !state.isFine)) return;
    this.#keep(order, text, compareDecimals);
  }

  /** Keeps the text of an order: the least, where there are several. */
  #keep(order: Order, text: string, compare: (a: string, b: string) => number): void {
    const known = this.#texts.get(order);
    if (known !== undefined && compare(known, text) <= 0) return;
    if (this.#texts.size >= TEXTS_KEPT) {
      const oldest = this.#texts.keys().next();
      if (!oldest.done) this.#texts.delete(oldest.value);
    }
    this.#texts.set(order, text);
  }
}

/** A store's table has another type than is asked for. */
export function otherTypeError(table: string, stored: OrderType, asked: OrderType): LockstepError {
  return new LockstepError(
    `the orders of table ${table} are compared as ${stored}, not as ${asked}`,
    {
      kind: "foreign-store",
      retry: "never",
      hint:
        "give --resync once with --order-type, which reads everything again; or another --table",
    },
  );
}
