import assert from "node:assert/strict";
import { Admission, kindOf, neededDescriptors, quotasOf } from "../../src/http/admission.ts";
import { Connections } from "../../src/http/connections.ts";

Deno.test("whatever the limit, the quotas leave a connection that is idle in a full house", () => {
  for (let free = 0; free < 20_000; free = free < 2_000 ? free + 1 : free + 97) {
    for (const tables of [1, 3, 50]) {
      const quotas = quotasOf(free, tables);
      if (quotas === null) {
        assert.ok(free < neededDescriptors(tables));
        continue;
      }
      const { connections, streams, requests, probes } = quotas;
      assert.ok(free >= neededDescriptors(tables));
      assert.ok(connections < free, "the replica keeps some");
      assert.ok(streams + requests + probes < connections);
      assert.ok(Math.min(streams, requests, probes) >= 2);
    }
  }
});

const QUOTAS = { connections: 10, streams: 1, requests: 2, probes: 1 };

Deno.test("each kind has places of its own, and gives them back", () => {
  const admission = new Admission(QUOTAS, () => 0);
  const places = [admission.enter("request", () => {}), admission.enter("request", () => {})];
  assert.equal(admission.enter("request", () => {}), null);
  const probe = admission.enter("probe", () => {});
  assert.notEqual(probe, null);
  assert.equal(admission.enter("probe", () => {}), null);
  assert.equal(places[0]?.becomeStream(), true);
  assert.equal(places[1]?.becomeStream(), false);
  assert.notEqual(admission.enter("request", () => {}), null, "a stream is none any more");
  places[0]?.leave();
  places[0]?.leave();
  assert.deepEqual([admission.taken("stream"), admission.taken("request")], [0, 2]);
});

Deno.test("a full house of requests cuts the one that has been stalled for longest", () => {
  let now = 0;
  const admission = new Admission(QUOTAS, () => now);
  const cut: string[] = [];
  const slow = admission.enter("request", () => cut.push("slow"));
  admission.enter("request", () => cut.push("slower"));
  now = 4_000;
  assert.equal(admission.enter("request", () => {}), null);
  slow?.took();
  now = 5_000;
  assert.notEqual(admission.enter("request", () => cut.push("newer")), null);
  assert.deepEqual(cut, ["slower"]);
  now = 8_000;
  assert.equal(admission.enter("request", () => {}), null, "none of these is stalled");
});

Deno.test("what tells how it goes is no ordinary request", () => {
  const paths = ["/healthz", "/metrics", "/tables/healthz/records", "/feed/a/0?wait=5&at=b"];
  assert.deepEqual(paths.map((path) => kindOf(new URL(path, "http://localhost"))), [
    "probe",
    "probe",
    "request",
    "stream",
  ]);
});

Deno.test("in a full house the oldest idle connection makes way for the new one", () => {
  const closed: number[] = [];
  const make = (n: number) => ({ destroy: () => void closed.push(n) });
  const connections = new Connections<ReturnType<typeof make>>();
  const [first, second, third, fourth, fifth] = [1, 2, 3, 4, 5].map(make);
  assert.ok(first && second && third && fourth && fifth);
  connections.add(first, 2);
  connections.began(first);
  connections.add(second, 2);
  connections.add(third, 2);
  assert.deepEqual(closed, [2], "the first has a request under way");
  connections.began(third);
  connections.add(fourth, 2);
  assert.deepEqual(closed, [2, 4], "nobody is idle: the new one itself");
  connections.ended(first);
  connections.add(fifth, 2);
  assert.deepEqual(closed, [2, 4, 1]);
  connections.destroyAll("all");
  assert.deepEqual([connections.size, closed.length], [0, 5]);
});
