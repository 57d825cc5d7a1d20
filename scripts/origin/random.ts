/**
 * Chance that repeats: a seeded generator, and a seeded shuffle of a range too long for memory.
 *
 * @module
 */

/** A generator of numbers in [0, 1) that gives the same row for the same seed. */
export function seededRandom(seed: number): () => number {
  // A Weyl sequence put through the finaliser of MurmurHash3.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix(state) / 0x1_0000_0000;
  };
}

/** A bijection of 0…count-1 onto itself. */
export interface Permutation {
  /** The member at place `number`. */
  member(number: number): number;
  /** The place of a member: the inverse. */
  numberOf(member: number): number;
}

/** The permutation that changes nothing. */
export const identity: Permutation = { member: (at) => at, numberOf: (member) => member };

/**
 * A permutation that looks like chance: a four-round Feistel network over the next power of four,
 * repeated until it lands inside the range ("cycle walking", fewer than four times on average).
 */
export function permutation(count: number, seed: number): Permutation {
  let half = 1;
  while (4 ** half < count) half++;
  if (half > 15) throw new RangeError(`a permutation has at most 2^30 members, not ${count}`);
  const mask = 2 ** half - 1;
  const keys = [0, 1, 2, 3].map((round) => mix((seed + Math.imul(round, 0x85ebca6b)) >>> 0));
  const backwards = keys.toReversed();
  // Run with the keys turned round, and the halves swapped before and after, the network undoes
  // itself.
  const walk = (start: number, rounds: readonly number[], swap: boolean): number => {
    let value = start;
    do {
      let left = swap ? value & mask : value >>> half;
      let right = swap ? value >>> half : value & mask;
      for (const key of rounds) {
        const next = left ^ (mix((right ^ key) >>> 0) & mask);
        left = right;
        right = next;
      }
      value = swap ? (right << half) | left : (left << half) | right;
    } while (value >= count);
    return value;
  };
  return {
    member: (number) => walk(number, keys, false),
    numberOf: (member) => walk(member, backwards, true),
  };
}

/** Spreads 32 bits over 32 bits, one to one. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
