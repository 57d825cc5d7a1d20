/**
 * An answer on its way to the client, at the client's pace.
 *
 * Whoever makes the body is asked for more only when the last piece has gone to the system: no more
 * than one piece waits here for a client that doesn't read. A client that takes nothing for a while
 * is cut off.
 *
 * @module
 */

import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers";
import type { Clock } from "../base/clock.ts";

/** A client that takes nothing for so long is cut off. */
export const STALL_MS = 30_000;

/** The last bytes of a broken answer have so long to go. */
const FLUSH_MS = 1_000;

/** Pieces are cut to this length: a client shows that it reads by taking one. */
const PIECE_BYTES = 64 * 1024;

/** What goes on while an answer is sent. */
export interface SendOptions {
  readonly clock: Clock;
  /** The client has taken a piece. */
  readonly took: () => void;
}

/**
 * Sends an answer; resolves when it has gone to the system, or the client has gone.
 *
 * @throws whatever broke the body; the client sees a broken answer, and no end
 */
export async function sendAnswer(
  answer: Response,
  to: ServerResponse,
  options: SendOptions,
): Promise<void> {
  const body = answer.body?.getReader();
  if (body === undefined) {
    writeHead(answer, to, isBodiless(answer) || to.req.method === "HEAD" ? null : 0);
    return await finish(to, options.clock);
  }
  // A client that goes takes the body with it: whatever is being read ends.
  const end = () => void body.cancel().catch(() => {});
  to.once("close", end);
  if (to.destroyed) end();
  try {
    const beginning = body.read();
    // An answer that is quiet at first has its headers at once.
    const isQuiet = !await isDone(beginning);
    if (isQuiet) writeHead(answer, to, null);
    const first = await beginning;
    if (first.done) {
      if (!isQuiet) writeHead(answer, to, 0);
      return await finish(to, options.clock);
    }
    const rest = body.read();
    // What is whole already has a length; what isn't goes out in chunks.
    if (!isQuiet) {
      const isWhole = await isDone(rest) && (await rest.catch(() => null))?.done === true;
      writeHead(answer, to, isWhole ? first.value.length : null);
    }
    if (to.req.method === "HEAD") {
      end();
      return await finish(to, options.clock);
    }
    // A body that breaks doesn't wait for a client that doesn't read.
    body.closed.catch(() => breakOff(to, options.clock));
    if (!await send(first.value, to, options)) return void to.destroy();
    for (let next = await rest; !next.done; next = await body.read()) {
      if (!await send(next.value, to, options)) return void to.destroy();
    }
    await finish(to, options.clock);
  } catch (error) {
    await breakOff(to, options.clock);
    throw error;
  } finally {
    to.off("close", end);
  }
}

/**
 * Ends an answer so that the client sees that it is broken: what was sent before still goes out, for
 * as long as a client takes it that reads.
 */
async function breakOff(to: ServerResponse, clock: Clock): Promise<void> {
  const { socket } = to;
  if (to.destroyed || socket === null) return;
  // Where the connection's end would be the answer's, only a reset tells.
  if (!to.chunkedEncoding && !to.hasHeader("content-length")) return void to.destroy();
  socket.destroySoon();
  const enough = new AbortController();
  socket.once("close", () => enough.abort());
  await clock.sleep(FLUSH_MS, enough.signal).then(() => socket.destroy(), () => {});
}

/** Whether something has been settled by now. */
function isDone(what: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    what.then(() => true, () => true),
    new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
  ]);
}

/** Answers that have no body by their kind. */
function isBodiless({ status }: Response): boolean {
  return status === 204 || status === 304 || status < 200;
}

function writeHead(answer: Response, to: ServerResponse, length: number | null): void {
  const headers: Record<string, string> = Object.fromEntries(answer.headers);
  if (length !== null) headers["content-length"] = String(length);
  to.writeHead(answer.status, headers);
  to.flushHeaders();
}

/** Hands bytes to the system, piece by piece. False once the client has gone, or was too slow. */
async function send(
  bytes: Uint8Array,
  to: ServerResponse,
  { clock, took }: SendOptions,
): Promise<boolean> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (to.destroyed) return false;
    const isFree = to.write(bytes.subarray(at, at + PIECE_BYTES));
    if (!isFree && !await within(to, "drain", clock)) return false;
    took();
  }
  return !to.destroyed;
}

/** Ends the answer, and waits until all of it has gone to the system. */
async function finish(to: ServerResponse, clock: Clock): Promise<void> {
  if (to.destroyed) return;
  to.end();
  if (!to.writableFinished && !await within(to, "finish", clock)) to.destroy();
}

/** Waits for an event. False where the client goes first, or nothing happens for too long. */
async function within(to: ServerResponse, event: string, clock: Clock): Promise<boolean> {
  const enough = new AbortController();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const yes = () => resolve(true);
  const no = () => resolve(false);
  to.once(event, yes);
  to.once("close", no);
  const late = clock.sleep(STALL_MS, enough.signal).then(no, no);
  const happened = await promise;
  enough.abort();
  await late;
  to.off(event, yes);
  to.off("close", no);
  return happened;
}
