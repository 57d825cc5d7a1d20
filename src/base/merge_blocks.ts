/**
 * Merging sorted sources a block at a time.
 *
 * All that lies up to the least of the ends of the sources' parts is here, and nothing that is still
 * to come lies before it: it can be sorted at once, which beats going item by item.
 *
 * @module
 */

/** A sorted source, read part by part. */
export interface BlockSource<T> {
  /** What comes next; empty at the end. */
  next(): Promise<readonly T[]>;
}

/**
 * Everything that the sources have, in blocks: each lies behind the one before it, and within one
 * what each source has comes together, in the order of the sources.
 */
export async function* mergeBlocks<T>(
  sources: readonly BlockSource<T>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<T[]> {
  let heads = sources.map((source) => ({ source, part: [] as readonly T[], at: 0 }));
  for (;;) {
    for (const head of heads) {
      if (head.at < head.part.length) continue;
      head.part = await head.source.next();
      head.at = 0;
    }
    heads = heads.filter(({ part }) => part.length > 0);
    const ends = heads.flatMap(({ part }) => part.slice(-1));
    const [first, ...others] = ends;
    if (first === undefined) return;
    const bound = others.reduce((least, end) => compare(end, least) < 0 ? end : least, first);
    const block: T[] = [];
    for (const head of heads) {
      for (; head.at < head.part.length; head.at++) {
        const item = head.part[head.at];
        if (item === undefined || compare(item, bound) > 0) break;
        block.push(item);
      }
    }
    yield block;
  }
}
