/**
 * Writes synthetic records as bytes: prepared lines, copied, with the id and the order patched in.
 *
 * `JSON.stringify` for each record reaches about a million small records a second on a slow core
 * and would measure itself. Two numbers of a fixed width written over a copy cost a tenth of that.
 *
 * @module
 */

import type { JsonObject } from "../../src/protocol/record.ts";
import { orderAt, type OrderStyle } from "./orders.ts";
import { type Piece, type Separator, SEPARATORS } from "./source.ts";
import { encode } from "./table.ts";

/** About 110 bytes a record, or about 1,500. */
export type RecordSize = "small" | "large";

/** What lines look like. */
export interface LineOptions {
  readonly size: RecordSize;
  readonly big: boolean;
  readonly orders: OrderStyle;
  readonly separator: Separator;
  /** Size of the buffer; the last line may go beyond it. */
  readonly bytes: number;
}

/** One prepared line, and where its numbers go. */
interface Template {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly serial: number;
  readonly order: number;
  readonly deleted: number;
}

/** Different contents; a record's content depends on its id. A power of two. */
const VARIANTS = 64;

/** A field beyond 2^53: this plus the id. */
const SERIAL = 9_223_372_030_000_000_000n;

/** More than the longest line. */
const ROOM = 2048;

const ID_DIGITS = 8;
const TIME_DIGITS = 13;
const ZERO = 48;
const encoder = new TextEncoder();

/** The templates of each kind of line, made once: `[live, deleted]` by variant. */
const prepared = new Map<string, [Template[], Template[]]>();

/** Fills one buffer with lines. */
export class LineWriter {
  readonly #options: LineOptions;
  readonly #templates: [Template[], Template[]];
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;
  #rows = 0;
  #isoSecond = -1;
  #iso: Uint8Array = new Uint8Array();

  constructor(options: LineOptions) {
    this.#options = options;
    this.#templates = templatesOf(options);
    this.#bytes = new Uint8Array(options.bytes > 0 ? options.bytes + 4 * ROOM : 0);
  }

  get rows(): number {
    return this.#rows;
  }

  get hasRoom(): boolean {
    return this.#at < this.#options.bytes;
  }

  /** The same record as an object. */
  record(id: number, time: number, deleted: boolean): JsonObject {
    return recordOf(this.#options, id, time, deleted);
  }

  write(id: number, time: number, deleted: boolean): void {
    const template = this.#templates[deleted ? 1 : 0][id & (VARIANTS - 1)];
    if (!template) return;
    this.#bytes.set(template.bytes, this.#at);
    this.#digits(id, this.#at + template.id, ID_DIGITS);
    if (template.serial > 0) this.#digits(id, this.#at + template.serial, ID_DIGITS);
    this.#time(time, this.#at + template.order);
    if (deleted) this.#time(time, this.#at + template.deleted);
    this.#at += template.bytes.length;
    this.#rows++;
  }

  /** An object without a key: there to be quarantined. */
  writeBad(): void {
    const line = `{"note":"no key here"}${SEPARATORS[this.#options.separator]}`;
    this.#at += encoder.encodeInto(line, this.#bytes.subarray(this.#at)).written;
    this.#rows++;
  }

  take(): Piece {
    return { bytes: this.#bytes.subarray(0, this.#at), rows: this.#rows };
  }

  #time(time: number, at: number): void {
    if (this.#options.orders !== "iso") return this.#digits(time, at, TIME_DIGITS);
    const second = Math.floor(time / 1000);
    if (second !== this.#isoSecond) {
      this.#isoSecond = second;
      this.#iso = encoder.encode(new Date(time).toISOString());
    }
    this.#bytes.set(this.#iso, at);
    this.#digits(time - second * 1000, at + 20, 3);
  }

  #digits(value: number, at: number, width: number): void {
    // Split where 32 bits end: integer division of small numbers is many times faster.
    let high = Math.floor(value / 1_000_000);
    let low = value - high * 1_000_000;
    let place = at + width - 1;
    for (let digit = 0; digit < 6 && place >= at; digit++, place--) {
      const rest = (low / 10) | 0;
      this.#bytes[place] = ZERO + low - rest * 10;
      low = rest;
    }
    for (; place >= at; place--) {
      const rest = (high / 10) | 0;
      this.#bytes[place] = ZERO + high - rest * 10;
      high = rest;
    }
  }
}

function recordOf(
  options: Pick<LineOptions, "size" | "big" | "orders">,
  id: number,
  time: number,
  deleted: boolean,
): JsonObject {
  const variant = id & (VARIANTS - 1);
  const order = orderAt(time, options.orders);
  return {
    id,
    updated_at: order,
    deleted_at: deleted ? order : null,
    ip: `10.20.${variant}.${variant * 3}`,
    port: 1024 + variant * 7,
    name: `server-${String(variant).padStart(2, "0")}`,
    ...(options.big ? { serial: SERIAL + BigInt(id) } : {}),
    ...(options.size === "large" ? { note: noteOf(variant) } : {}),
  };
}

/** Some 1,400 characters that differ from variant to variant and don't compress to nothing. */
function noteOf(variant: number): string {
  let text = "";
  for (let n = variant; text.length < 1380; n += 7) text += `${(n * 2654435761 % 1e9) | 0} `;
  return text.slice(0, 1380);
}

function templatesOf(options: LineOptions): [Template[], Template[]] {
  const { size, big, orders, separator } = options;
  const name = [size, big, orders, separator].join();
  let templates = prepared.get(name);
  if (!templates) {
    templates = [templatesFor(options, false), templatesFor(options, true)];
    prepared.set(name, templates);
  }
  return templates;
}

function templatesFor(options: LineOptions, deleted: boolean): Template[] {
  return Array.from({ length: VARIANTS }, (_, variant) => {
    // An id of eight digits that ends in this variant; its digits are all overwritten.
    const id = 2 ** 24 + variant;
    const text = encode(recordOf(options, id, 1_700_000_000_000, deleted)) +
      SEPARATORS[options.separator];
    const quote = options.orders === "iso" ? 1 : 0;
    const place = (field: string) => text.indexOf(`"${field}":`) + field.length + 3;
    return {
      bytes: encoder.encode(text),
      id: place("id"),
      // The serial's last eight digits are the id's: SERIAL ends in ten zeros.
      serial: options.big ? place("serial") + String(SERIAL).length - ID_DIGITS : 0,
      order: place("updated_at") + quote,
      deleted: place("deleted_at") + quote,
    };
  });
}
