/**
 * The examination of an origin: what to ask next, by what was seen so far.
 *
 * ```
 * from the start ─→ an envelope? ─→ key, order, deletions
 *   │ refused: the cursor in the query, or a time for a cursor
 *   └→ from the middle: is the cursor honoured? ── no: by other names in the query
 *        └→ from the end, for the rest of the time: pages, heartbeats, buffers
 *             └→ from the middle again: late commits
 * ```
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { ConnectOptions } from "../origin/connect.ts";
import { Endpoint } from "../origin/endpoint.ts";
import { formatOrder } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { JsonObject } from "../protocol/record.ts";
import { commandLine, type CommandOption } from "./command_line.ts";
import {
  chooseDeletion,
  chooseKey,
  chooseOrder,
  compareAs,
  orderAt,
  type OrderChoice,
  unitOf,
} from "./fields.ts";
import { type Evidence, type Honoured, isWholeList } from "./evidence.ts";
import { findings, isUsable } from "./findings.ts";
import { envelopeIn, envelopeInText, type Reading, readSample } from "./reading.ts";
import type { Finding, FoundOptions, Report } from "./report.ts";
import { type SampleBounds, Sampler } from "./sample.ts";

/** Fields that were told, and need not be found. */
export interface ToldFields {
  readonly key?: readonly string[] | undefined;
  readonly orderBy?: string | undefined;
  readonly deletedBy?: string | undefined;
  readonly records?: string | undefined;
  readonly since?: string | undefined;
}

/** What is to be examined, and how. */
export interface ExamineOptions {
  readonly url: string;
  readonly seconds: number;
  readonly told: ToldFields;
  readonly connect: ConnectOptions;
  /** Options to repeat in the command. */
  readonly others: readonly CommandOption[];
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

const START: SampleBounds = { bytes: 4 * 2 ** 20, ms: 6_000, quietMs: 1_500 };

/** The start may take so much of the time. */
const START_SHARE = 0.3;
const SHORT: SampleBounds = { bytes: 2 ** 19, ms: 2_500, quietMs: 700 };

/** The end of the table is watched for so much of the time that is left. */
const TAIL_SHARE = 0.8;

/** Names under which other APIs take a cursor. */
const PARAMETERS = [
  "since",
  "updated_since",
  "modified_since",
  "updated_after",
  "updated_at_from",
  "after",
  "from",
] as const;

/** An endpoint that was tried. */
interface Tried {
  readonly url: string;
  readonly endpoint: Endpoint;
}

function withParameter(url: string, name: string): Tried {
  const [address = "", fragment] = url.split("#", 2);
  const separator = address.includes("?") ? "&" : "?";
  const tried = `${address}${separator}${name}={since}${
    fragment === undefined ? "" : `#${fragment}`
  }`;
  return { url: tried, endpoint: new Endpoint(tried) };
}

/**
 * Examines an origin within its bounds; writes nothing anywhere.
 *
 * @throws {LockstepError} of kind `usage` for a URL that is none
 */
export async function examine(options: ExamineOptions): Promise<Report> {
  return await new Examination(options).run();
}

class Examination {
  readonly #options: ExamineOptions;
  readonly #sampler: Sampler;
  readonly #hasPlace: boolean;
  #place: string | null;
  #since: string;

  constructor(options: ExamineOptions) {
    this.#options = options;
    this.#sampler = new Sampler(options.seconds, options.connect, options.clock, options.signal);
    this.#hasPlace = /\{since\}|%7Bsince%7D/i.test(options.url);
    this.#place = options.told.records ?? null;
    this.#since = options.told.since ?? "0";
  }

  async run(): Promise<Report> {
    const given: Tried = { url: this.#options.url, endpoint: new Endpoint(this.#options.url) };
    const opened = await this.#open(given);
    if (opened instanceof LockstepError) {
      return this.#report(given, { refusal: opened, requests: this.#sampler.requests });
    }
    const { tried, first } = opened;
    const fields = this.#fields(first.records);
    const evidence: Evidence = { ...fields, first, place: this.#place, nowMs: this.#nowMs(first) };
    if (fields.order === null) return this.#report(tried, evidence);
    const middle = await this.#findCursor(tried, first, fields.order);
    const tail = await this.#askFrom(middle.tried, greatest(first, fields.order), {
      bytes: 2 ** 20,
      ms: this.#sampler.leftMs * TAIL_SHARE,
      quietMs: this.#sampler.leftMs * TAIL_SHARE,
    });
    const again = middle.since === null || middle.honoured === "ignored"
      ? null
      : await this.#askFrom(middle.tried, middle.since, SHORT);
    return this.#report(middle.tried, {
      ...evidence,
      middle: middle.reading,
      middleSince: middle.since,
      honoured: middle.honoured,
      tail,
      again,
    });
  }

  /** The first answer that holds records, however the cursor is to be given. */
  async #open(given: Tried): Promise<{ tried: Tried; first: Reading } | LockstepError> {
    const ways: { readonly tried: Tried; readonly since: string }[] = [
      { tried: given, since: this.#since },
    ];
    const { told, url } = this.#options;
    if (told.since === undefined) ways.push({ tried: given, since: EPOCH });
    if (!this.#hasPlace) {
      ways.push({ tried: withParameter(url, "since"), since: this.#since });
      if (told.since === undefined) {
        ways.push({ tried: withParameter(url, "since"), since: EPOCH });
      }
    }
    let failure: LockstepError | null = null;
    let empty: { tried: Tried; first: Reading } | null = null;
    for (const { tried, since } of ways) {
      const ms = Math.min(START.ms, this.#sampler.leftMs * START_SHARE);
      const sample = await this.#sampler.ask(tried.endpoint, since, { ...START, ms });
      if (sample === null) break;
      if (sample instanceof LockstepError) {
        failure ??= sample;
        // What asks for credentials, or isn't there at all, is not to be asked in other ways.
        if (sample.status === 401 || sample.status === 403 || sample.status === undefined) break;
        continue;
      }
      const first = this.#read(sample);
      if (first.records.length > 0) {
        this.#since = since;
        return { tried, first };
      }
      empty ??= { tried, first };
    }
    return failure ?? empty ?? new LockstepError("there was no time for a request", {
      kind: "usage",
      retry: "never",
      hint: "give it more: --seconds 20",
    });
  }

  #read(sample: Parameters<typeof readSample>[0]): Reading {
    const plain = readSample(sample, this.#place);
    if (this.#place !== null) return plain;
    const isRecord = this.#fields(plain.records).order !== null &&
      plain.records.some((record) => Object.hasOwn(record, "id"));
    if (isRecord) return plain;
    const place = plain.records.length === 0 ? envelopeInText(sample) : envelopeIn(plain);
    if (place === null) return plain;
    const inside = readSample(sample, place);
    if (inside.records.length === 0) return plain;
    this.#place = place;
    return inside;
  }

  #fields(records: readonly JsonObject[]) {
    const { told, clock } = this.#options;
    const found = chooseOrder(records, clock.now());
    let order: OrderChoice | null = found;
    if (told.orderBy !== undefined && told.orderBy !== found?.place) {
      const unit = unitOf(records, told.orderBy, clock.now());
      order = unit === null
        ? null
        : { place: told.orderBy, ...unit, isCreation: false, others: [] };
    }
    const deletion = chooseDeletion(records);
    const taken = [order?.place ?? null, deletion?.place ?? null];
    const key = told.key === undefined
      ? chooseKey(records, taken)
      : { places: told.key, records: records.length, distinct: records.length, others: [] };
    return { order, deletion, key };
  }

  #nowMs({ sample }: Reading): number {
    return sample.answer.date ?? this.#options.clock.now();
  }

  async #askFrom(
    { endpoint }: Tried,
    since: string | null,
    bounds: SampleBounds,
  ): Promise<Reading | null> {
    if (since === null) return null;
    const sample = await this.#sampler.ask(endpoint, since, bounds);
    return sample === null || sample instanceof LockstepError
      ? null
      : readSample(sample, this.#place);
  }

  /** How the cursor is to be given so that the origin honours it. */
  async #findCursor(tried: Tried, first: Reading, order: OrderChoice) {
    const since = middleOf(first, order);
    if (since === null) {
      return { tried, since, reading: null, honoured: "unknown" as Honoured };
    }
    const reading = await this.#askFrom(tried, since, SHORT);
    const honoured = honouredBy(reading, since, order);
    if (honoured !== "ignored" || this.#hasPlace) return { tried, since, reading, honoured };
    for (const name of PARAMETERS) {
      const other = withParameter(this.#options.url, name);
      if (other.url === tried.url || this.#sampler.leftMs < 3_000) continue;
      const read = await this.#askFrom(other, since, SHORT);
      const verdict = honouredBy(read, since, order);
      if (verdict === "inclusive" || verdict === "exclusive") {
        return { tried: other, since, reading: read, honoured: verdict };
      }
    }
    return { tried, since, reading, honoured };
  }

  #report({ url, endpoint }: Tried, evidence: Evidence | Refused): Report {
    const list = findings(evidence);
    if ("refusal" in evidence || !isUsable(list)) {
      return { usable: false, command: null, options: {}, findings: list };
    }
    const { order, key, deletion, honoured } = evidence;
    const { told } = this.#options;
    if (isWholeList(evidence)) return this.#reportWhole(evidence, list);
    const found: FoundOptions = {
      url: endpoint.printable,
      ...(key === null ? {} : { key: key.places.join(",") }),
      ...(order === null ? {} : { "order-by": order.place }),
      ...(order?.unit === "digits" ? { "order-type": "number" } : {}),
      ...deletionOption(told, deletion),
      ...(this.#place === null ? {} : { records: this.#place }),
      ...(this.#since === "0" ? {} : { since: this.#since }),
      ...(honoured === "exclusive" ? { overlap: order?.unit === "times" ? "1s" : "1" } : {}),
    };
    return {
      usable: true,
      command: commandLine(url, found, this.#options.others),
      options: { ...found },
      findings: list,
    };
  }

  #reportWhole({ key }: Evidence, list: readonly Finding[]): Report {
    const { url, told } = this.#options;
    const found: FoundOptions = {
      url: new Endpoint(url, true).printable,
      whole: "",
      "order-by": told.orderBy ?? OWN_ORDER,
      ...(key === null ? {} : { key: key.places.join(",") }),
      ...(this.#place === null ? {} : { records: this.#place }),
    };
    return {
      usable: true,
      command: commandLine(url, found, this.#options.others),
      options: { ...found },
      findings: list,
    };
  }
}

/** The name of the order that a copy gives to records which have none. */
const OWN_ORDER = "lockstep_order";

/** Nothing could be read. */
interface Refused {
  readonly refusal: LockstepError;
  readonly requests: number;
}

const EPOCH = "1970-01-01T00:00:00Z";

function deletionOption(
  told: ToldFields,
  deletion: Evidence["deletion"],
): Pick<FoundOptions, "deleted-by"> {
  if (told.deletedBy !== undefined) return { "deleted-by": told.deletedBy };
  if (deletion === null) return {};
  const { place, value } = deletion;
  return { "deleted-by": value === null ? place : `${place}=${value}` };
}

function ordersOf({ records }: Reading, { place, unit }: OrderChoice) {
  return records.map((record) => orderAt(record, place)).filter((order) => order !== null)
    .sort((a, b) => compareAs(a, b, unit));
}

/** An order with others below it; null where all are the same. */
function middleOf(reading: Reading, order: OrderChoice): string | null {
  const orders = ordersOf(reading, order);
  const [least] = orders;
  if (least === undefined) return null;
  const above = orders.filter((other) => compareAs(other, least, order.unit) > 0);
  const middle = above[Math.floor((above.length - 1) / 2)];
  return middle === undefined ? null : formatOrder(middle);
}

function greatest(reading: Reading, order: OrderChoice): string | null {
  const last = ordersOf(reading, order).at(-1);
  return last === undefined ? null : formatOrder(last);
}

/** Whether an answer is one to the cursor that was asked for. */
function honouredBy(reading: Reading | null, since: string, order: OrderChoice): Honoured {
  if (reading === null || reading.records.length === 0) return "unknown";
  const orders = ordersOf(reading, order);
  const asked = orders.find((value) => formatOrder(value) === since);
  const isBelow = orders.some((value) =>
    asked === undefined
      ? compareText(value, since, order) < 0
      : compareAs(value, asked, order.unit) < 0
  );
  if (isBelow) return "ignored";
  return asked === undefined ? "exclusive" : "inclusive";
}

function compareText(value: string | number | bigint, since: string, order: OrderChoice): number {
  const asked = typeof value === "string" ? since : Number(since);
  return compareAs(value, asked, order.unit);
}
