/**
 * The program's name, as messages and help show it.
 *
 * @module
 */

export const PROGRAM = "lockstep-replicate";
