/**
 * Live changes at a steady rate: eight updates, one insert and one delete in ten.
 *
 * @module
 */

import { seededRandom } from "./random.ts";
import type { JsonObject, KeyPart } from "../../src/protocol/record.ts";
import type { MutableSource } from "./source.ts";

/** Changes that are going on. */
export interface Changes {
  /** Changes a second; 0 stops them. */
  rate: number;
  /** Changes made so far. */
  readonly made: number;
  stop(): void;
}

/** The longest pause between two looks at the clock, in milliseconds. */
const TICK = 50;

/**
 * Changes the source `rate` times a second until stopped.
 *
 * Each changed record carries `revision`, counting up, and `written_at`: the moment of the change in
 * milliseconds since 1970, with fractions, from which a benchmark tells how long it took to arrive.
 */
export function startChanges(source: MutableSource, rate: number, seed = 1): Changes {
  const random = seededRandom(seed);
  let made = 0;
  let due = 0;
  let last = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const change = (): void => {
    const dice = random();
    const record = dice < 0.9 ? source.sample(random) : null;
    if (record && dice < 0.1) source.remove(idOf(record));
    else source.put(touched(record ?? source.fresh()));
    made++;
  };
  const tick = (): void => {
    const now = performance.now();
    // After a pause (a busy machine, a stopped process) don't make up for more than a second.
    due = Math.min(due + (now - last) * changes.rate / 1000, Math.max(1, changes.rate));
    last = now;
    for (; due >= 1; due--) change();
    timer = setTimeout(tick, Math.min(TICK, Math.max(1, 1000 / Math.max(1, changes.rate))));
  };
  const changes = {
    rate,
    get made() {
      return made;
    },
    stop: () => clearTimeout(timer),
  };
  tick();
  return changes;
}

function touched(record: JsonObject): JsonObject {
  const revision = record["revision"];
  return {
    ...record,
    revision: typeof revision === "number" ? revision + 1 : 1,
    written_at: performance.timeOrigin + performance.now(),
  };
}

function idOf(record: JsonObject): KeyPart {
  const id = record["id"];
  if (typeof id === "number" || typeof id === "string") return id;
  throw new TypeError("live changes need records with an id");
}
