import assert from "node:assert/strict";
import { BoundedStream } from "../../src/stream/bounded_stream.ts";
import { HandClock } from "../support/clock.ts";

const BYTES = new Uint8Array(60);

function open(clock = new HandClock()): BoundedStream {
  return new BoundedStream({ limitBytes: 100, stallMs: 5_000, clock });
}

Deno.test("a reader that leaves too much unread is cut off, and nothing waits for it", async () => {
  const stream = open();
  const reader = stream.body.getReader();
  assert(stream.push(BYTES));
  assert(stream.push(BYTES));
  assert(!stream.push(BYTES));
  assert(stream.over.aborted);
  assert(!stream.open && !stream.push(BYTES));
  assert.equal(stream.unreadBytes, 0);
  await assert.rejects(reader.read(), /too slow/);
});

Deno.test("a backlog goes at the reader's pace, whoever else waits for room", async () => {
  const stream = open();
  const reader = stream.body.getReader();
  assert(stream.push(BYTES));
  assert(stream.push(BYTES));
  const sent = Promise.all([stream.send(BYTES, 0), stream.room(60), stream.room(60)]);
  for (let read = 0; read < 3; read++) assert.equal((await reader.read()).value?.length, 60);
  assert.equal((await sent)[0], true);
  await reader.cancel();
  assert(stream.over.aborted);
});

Deno.test("a reader that takes nothing for too long is cut off", async () => {
  const clock = new HandClock();
  const stream = open(clock);
  assert(stream.push(BYTES));
  const sent = stream.send(BYTES, 0);
  await clock.advance(4_999);
  assert(stream.open);
  await clock.advance(1);
  assert.equal(await sent, false);
  await assert.rejects(stream.body.getReader().read(), /takes nothing/);
});

Deno.test("who waits for room of a reader that leaves is told", async () => {
  const stream = open();
  assert(stream.push(BYTES));
  const waiting = stream.room(0);
  await stream.body.cancel();
  await waiting;
  assert.equal(await stream.send(BYTES, 0), false);
});
