import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { metricsText } from "../../src/http/metrics_text.ts";
import type { ProcessStatus } from "../../src/replica/status.ts";
import { runTool, testWith } from "../support/tools.ts";
import { ask } from "./request.ts";
import { StandIn, tableStatus } from "./stand_in.ts";

const HOSTILE = `a"b\\c\nd <script>alert(1)</script> é\u2028`;

/** Asks Prometheus' own tool. */
async function promtool(text: string): Promise<{ ok: boolean; says: string }> {
  const { code, stdout, stderr } = await runTool("promtool", ["check", "metrics"], { stdin: text });
  return { ok: code === 0, says: stdout + stderr };
}

function statusOf(...tables: ProcessStatus["tables"]): ProcessStatus {
  return {
    program: "lockstep-replicate",
    version: "0.1.0",
    pid: 1,
    host: "h",
    startedAt: "2026-11-22T22:00:00.000Z",
    uptimeSeconds: 1,
    memoryBytes: 1e8,
    store: { path: "/x", bytes: 4096 },
    tables,
  };
}

testWith(
  ["promtool"],
  "the metrics pass Prometheus' own check without a remark, hostile names included",
  async () => {
    const reasons = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`reason ${i}`, i]));
    const text = metricsText(statusOf(
      tableStatus("servers", { quarantinedBy: { "bad key": 3 }, reconnects: reasons }),
      tableStatus(HOSTILE, { quarantinedBy: { [HOSTILE]: 1 }, cursor: null, lagSeconds: null }),
    ));
    assert.deepEqual(await promtool(text), { ok: true, says: "" });
  },
);

testWith(["promtool"], "promtool is a check that can fail", async () => {
  const found = await promtool('lockstep_rows{table="a\nb"} 1\n');
  assert.equal(found.ok, false);
});

Deno.test("every figure that operators build on is in the metrics", async () => {
  await using host = await StandIn.open("servers");
  host.table("servers").set({
    quarantinedBy: { "not JSON": 2 },
    cursor: "998",
    lastContact: "2026-11-22T22:00:01.500Z",
  });
  const text = await (await ask(createApp(host), "/metrics")).text();
  for (
    const line of [
      'lockstep_rows{table="servers"} 1234567',
      'lockstep_records_total{table="servers",outcome="updated"} 88123',
      'lockstep_bytes_total{table="servers"} 172300111',
      'lockstep_commits_total{table="servers"} 41250',
      'lockstep_commit_seconds_bucket{table="servers",le="0.005"} 40000',
      'lockstep_commit_seconds_bucket{table="servers",le="+Inf"} 41250',
      'lockstep_commit_seconds_count{table="servers"} 41250',
      'lockstep_cursor{table="servers"} 998',
      'lockstep_last_contact_timestamp_seconds{table="servers"} 1795384801.5',
      'lockstep_lag_seconds{table="servers"} 0.42',
      'lockstep_reconnects_total{table="servers",reason="idle-timeout"} 1',
      'lockstep_quarantined_total{table="servers",reason="not JSON"} 2',
      'lockstep_state{table="servers",state="live"} 1',
      'lockstep_state{table="servers",state="failing"} 0',
      "process_resident_memory_bytes 128450560",
    ]
  ) assert(text.includes(line + "\n"), line);
});

Deno.test("label sets stay bounded: what is over is summed as other", () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`r${i}`, 1]));
  const text = metricsText(statusOf(tableStatus("t", { quarantinedBy: many })));
  const lines = text.split("\n").filter((line) => line.startsWith("lockstep_quarantined_total{"));
  assert.equal(lines.length, 30);
  assert(lines.includes('lockstep_quarantined_total{table="t",reason="other"} 971'));
});

Deno.test("a cursor that is a time is a metric in Unix seconds, and any other text is none", () => {
  const iso = "2026-11-22T22:26:05.000Z";
  const time = metricsText(statusOf(tableStatus("t", { cursor: iso, cursorTime: iso })));
  assert(time.includes(`lockstep_cursor{table="t"} ${Date.parse(iso) / 1000}\n`));
  const other = metricsText(statusOf(tableStatus("t", { cursor: "v7", cursorTime: null })));
  assert(!other.includes("lockstep_cursor"));
});

Deno.test("/readyz says ready when every table is usable, and else why", async () => {
  await using host = await StandIn.open("servers", "accounts");
  const app = createApp(host, { maxStalenessMs: 30_000 });
  const readyz = async (accept?: string) => {
    const answer = await ask(app, "/readyz", accept === undefined ? {} : { headers: { accept } });
    return [answer.status, await answer.text()] as const;
  };
  assert.deepEqual(await readyz(), [200, "ready\nservers: live\naccounts: live\n"]);

  // An origin that is down leaves its copies usable, and says so.
  host.table("accounts").set({ state: "failing", live: false, reason: "401\nready" });
  assert.deepEqual(
    await readyz(),
    [200, "ready\nservers: live\naccounts: serving, 2s old; failing: 401 ready\n"],
  );
  const body = JSON.parse((await readyz("application/json"))[1]);
  assert.deepEqual(
    [body.ready, body.live, body.tables[1].ready, body.tables[1].live],
    [true, false, true, false],
  );
  for (
    const [change, why] of [
      [{ everComplete: false }, "not complete yet; failing: 401 ready"],
      [{ storing: false }, "not being written; failing: 401 ready"],
      [{ expiresInSeconds: -0.5 }, "expired: 2s old"],
    ] as const
  ) {
    host.table("accounts").set({
      everComplete: true,
      storing: true,
      expiresInSeconds: 9,
      ...change,
    });
    assert.deepEqual(await readyz(), [503, `not ready\nservers: live\naccounts: ${why}\n`]);
  }
  host.table("accounts").set({ state: "held", live: true, reason: null, expiresInSeconds: null });
  assert.equal((await readyz())[0], 200);
  host.table("servers").set({ ageSeconds: 31 });
  assert.match(
    (await readyz())[1],
    /servers: stale: last contact 31\.0 s ago, and the limit is 30 s/,
  );
  host.table("servers").set({ ageSeconds: null });
  assert.equal((await readyz())[0], 503);
});

Deno.test("/status is the process status as JSON", async () => {
  await using host = await StandIn.open("servers");
  const answer = await ask(createApp(host), "/status");
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  const status = await answer.json();
  assert.equal(status.program, "lockstep-replicate");
  assert.equal(status.tables[0].table, "servers");
});
