import assert from "node:assert/strict";
import { StatusLog } from "../../../src/cli/report/status_log.ts";
import { processStatus } from "../statuses.ts";

const CATCHING_UP = { state: "catching-up", live: false } as const;

function told(
  narrator: StatusLog,
  status: ReturnType<typeof processStatus>,
  now: number,
): string[] {
  return narrator.lines(status, now).map(({ level, message, properties }) =>
    `${level} ${message.replaceAll(/\{(\w+)\}/g, (_, name) => String(properties[name]))}`
  );
}

Deno.test("a table is introduced once", () => {
  const narrator = new StatusLog(true);
  const first = told(narrator, processStatus({}, { table: "b" }), 0);
  assert.deepEqual(first, [
    "info servers: copying http://origin.example/servers",
    "info b: copying http://origin.example/servers",
  ]);
  assert.deepEqual(told(narrator, processStatus({}, { table: "b" }), 1), []);
});

Deno.test("a long way to live gets a line every ten seconds, unless a live line shows it", () => {
  for (const tells of [true, false]) {
    const narrator = new StatusLog(tells);
    told(narrator, processStatus(CATCHING_UP), 0);
    let lines = 0;
    for (let now = 0; now <= 60_000; now += 500) {
      lines += told(narrator, processStatus(CATCHING_UP), now).length;
    }
    assert.equal(lines, tells ? 6 : 0);
  }
});

Deno.test("short ways to live, again and again, get no line", () => {
  const narrator = new StatusLog(true);
  told(narrator, processStatus({}), 0);
  for (let now = 0; now < 100_000; now += 500) {
    const table = now % 5000 === 0 ? {} : CATCHING_UP;
    assert.deepEqual(told(narrator, processStatus(table), now), []);
  }
});

Deno.test("a flood in quarantine is counted in one line every ten seconds, the rest at the end", () => {
  const narrator = new StatusLog(true);
  told(narrator, processStatus({ quarantined: 5 }), 0);
  const lines: string[] = [];
  for (let now = 0; now <= 20_500; now += 500) {
    lines.push(...told(narrator, processStatus({ quarantined: 5 + now / 500 }), now));
  }
  lines.push(...told(narrator, processStatus({ quarantined: 100, state: "stopped" }), 21_000));
  assert.deepEqual(
    lines,
    [
      "warning servers: 1 more in quarantine; the quarantine command shows them",
      "warning servers: 20 more in quarantine; the quarantine command shows them",
      "warning servers: 20 more in quarantine; the quarantine command shows them",
      "warning servers: 54 more in quarantine; the quarantine command shows them",
      "info servers: stopped",
    ],
  );
});
