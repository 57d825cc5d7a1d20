/**
 * A piece that a stream was cut into.
 *
 * @module
 */

/** Why a piece can't be a value. */
export type CutFault = "not JSON" | "too long" | "nested too deep" | "too many values";

/**
 * Told of each piece, in order. `bytes` is the text of what may be a value (brackets and quotes are
 * matched, the rest is for the parser to see), or, with a fault, what is known of it or at least its
 * first {@linkcode REPORTED_BYTES}. The bytes are the cutter's own: valid until the call returns.
 */
export type PieceListener = (bytes: Uint8Array, fault: CutFault | null) => void;

/** Bytes that hold 16 Ki UTF-16 units of text for certain: one unit takes three bytes at most. */
export const REPORTED_BYTES = 3 * 16_384;
