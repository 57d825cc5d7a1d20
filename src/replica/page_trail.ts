/**
 * The links of one answer's pages, as far as they have been followed: one that leads back would be
 * followed for ever.
 *
 * @module
 */

/** Notices a circle in bounded memory: it remembers one link, and a later one after 2, 4, 8… more. */
export class PageTrail {
  #remembered: string | null = null;
  #followed = 0;
  #next = 1;

  /** Takes the next link. Returns false where it was followed before. */
  follow(link: string): boolean {
    if (link === this.#remembered) return false;
    this.#followed++;
    if (this.#followed === this.#next) {
      this.#remembered = link;
      this.#next *= 2;
    }
    return true;
  }
}
