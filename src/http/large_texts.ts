/**
 * The texts of large rows that are on their way to clients.
 *
 * A row of 16 MiB takes several times as much while it is read, and stays for as long as its slowest
 * reader. So they are made one after another, readers of the same version share one, and together
 * they have a bound: who comes when it is reached waits a little, and is then told to come again.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { Semaphore } from "../base/semaphore.ts";
import { Signal } from "../base/signal.ts";

/** Bytes of all texts together, unless a single one has more. */
const HELD_BYTES = 48 * 1024 * 1024;

/** A reader waits so long for its turn. */
const PATIENCE_MS = 5_000;

/** A text that somebody holds. */
interface Entry {
  readonly bytes: Promise<Uint8Array<ArrayBuffer> | null>;
  readonly sizeBytes: number;
  readers: number;
}

/** A text, until it is let go. */
export interface HeldText {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

/** Why there is no text: it is gone, or there are too many. */
export type NoText = "gone" | "busy";

export class LargeTexts {
  readonly #clock: Clock;
  readonly #heldBytes: number;
  readonly #entries = new Map<string, Entry>();
  readonly #freed = new Signal();
  /** One is read at a time: its parts, its value and its text are all there at once. */
  readonly #turns = new Semaphore(1);

  constructor(clock: Clock, heldBytes = HELD_BYTES) {
    this.#clock = clock;
    this.#heldBytes = heldBytes;
  }

  /** Bytes that are held now. */
  get sizeBytes(): number {
    return this.#entries.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /**
   * Takes hold of a text, and makes it where nobody has it.
   *
   * @param name of table, key and version: the same name is the same text
   * @param sizeBytes about how many bytes it has
   * @param make resolves with null where the row is gone
   */
  async hold(
    name: string,
    sizeBytes: number,
    make: () => Promise<Uint8Array<ArrayBuffer> | null>,
  ): Promise<HeldText | NoText> {
    const fits = () =>
      this.#entries.has(name) || this.#entries.size === 0 ||
      this.sizeBytes + sizeBytes <= this.#heldBytes;
    if (!fits() && !await this.#wait(fits)) return "busy";
    const entry = this.#entries.get(name) ?? { bytes: this.#make(make), sizeBytes, readers: 0 };
    this.#entries.set(name, entry);
    entry.readers++;
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      if (--entry.readers > 0) return;
      this.#entries.delete(name);
      this.#freed.notify();
    };
    try {
      const bytes = await entry.bytes;
      if (bytes !== null) return { bytes, release };
    } catch (error) {
      release();
      throw error;
    }
    release();
    return "gone";
  }

  async #make(
    make: () => Promise<Uint8Array<ArrayBuffer> | null>,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const leave = await this.#turns.enter();
    try {
      return await make();
    } finally {
      leave();
    }
  }

  async #wait(fits: () => boolean): Promise<boolean> {
    const enough = new AbortController();
    let isLate = false;
    const late = this.#clock.sleep(PATIENCE_MS, enough.signal).catch(() => {}).then(() => {
      isLate = true;
      this.#freed.notify();
    });
    await this.#freed.until(() => isLate || fits());
    enough.abort();
    await late;
    return fits();
  }
}
