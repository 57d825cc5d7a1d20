/**
 * Durations as people write them. They live with the protocol, where `rewind` needs them for ISO
 * times; this is the door for everybody else.
 *
 * @module
 */

export { formatDuration, parseDuration, readDuration } from "../protocol/duration.ts";
