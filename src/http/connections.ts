/**
 * The connections that are open, and which of them is closed when there are too many.
 *
 * @module
 */

/** What is asked of a connection. */
export interface Connection {
  /** Closes it at once. */
  destroy(): unknown;
}

/** Counts connections; in a full house the oldest idle one makes way for a new one. */
export class Connections<C extends Connection> {
  /** Requests under way of each. */
  readonly #all = new Map<C, number>();
  /** Those without a request under way, the one that has been idle for longest first. */
  readonly #idle = new Set<C>();

  /** Connections that are open. */
  get size(): number {
    return this.#all.size;
  }

  /** A connection was made; `most` is how many there may be with it. */
  add(connection: C, most: number): void {
    if (this.#all.size >= most) {
      const [oldest] = this.#idle;
      if (oldest === undefined) return void connection.destroy();
      this.remove(oldest);
      oldest.destroy();
    }
    this.#all.set(connection, 0);
    this.#idle.add(connection);
  }

  /** A request of it is under way. */
  began(connection: C): void {
    const underWay = this.#all.get(connection);
    if (underWay === undefined) return;
    this.#all.set(connection, underWay + 1);
    this.#idle.delete(connection);
  }

  /** A request of it is over. */
  ended(connection: C): void {
    const underWay = this.#all.get(connection);
    if (underWay === undefined) return;
    this.#all.set(connection, underWay - 1);
    if (underWay === 1) this.#idle.add(connection);
  }

  /** It is closed. */
  remove(connection: C): void {
    this.#all.delete(connection);
    this.#idle.delete(connection);
  }

  /** Closes all, or all that are idle. */
  destroyAll(which: "all" | "idle"): void {
    for (const connection of which === "all" ? [...this.#all.keys()] : [...this.#idle]) {
      this.remove(connection);
      connection.destroy();
    }
  }
}
