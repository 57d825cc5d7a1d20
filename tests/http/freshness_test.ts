import assert from "node:assert/strict";
import { startStatusServer } from "../../src/http/server.ts";
import { SteppingClock } from "../support/clock.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";

const HOUR_MS = 3_600_000;

Deno.test("a machine that was paused is stale until its origin is heard of again", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const clock = new SteppingClock();
  await using replica = await startReplica(origin.url, { kv: ":memory:", clock });
  const server = await startStatusServer(replica.replicator, {
    address: "127.0.0.1:0",
    explicit: true,
    maxStalenessMs: 30_000,
    clock,
  });
  await using _ = { [Symbol.asyncDispose]: () => server.close() };
  await replica.live();
  const readyz = async () => {
    const response = await fetch(new URL("/readyz", server.url));
    return [response.status, await response.text()] as const;
  };
  assert.equal((await readyz())[0], 200);
  clock.stepWall(HOUR_MS);
  const [code, text] = await readyz();
  assert.equal(code, 503);
  assert.match(text, /stale: last contact 360\d\.\d s ago/);
  // A record is a word of the origin's.
  origin.table.put({ id: 2 });
  await replica.reached(1001);
  assert.equal((await readyz())[0], 200);
  // Set back, the clock makes nothing fresher, and nothing staler either.
  clock.stepWall(-2 * HOUR_MS);
  const { ageSeconds, lastContact } = replica.status;
  assert.ok(ageSeconds !== null && ageSeconds >= 0 && ageSeconds < 30);
  assert.ok(lastContact !== null && Date.parse(lastContact) <= clock.now());
});
