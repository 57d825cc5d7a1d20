import assert from "node:assert/strict";
import { openNotifier } from "../../../src/cli/systemd/sd_notify.ts";
import {
  type Followed,
  serviceLine,
  SystemdReporter,
} from "../../../src/cli/systemd/systemd_reporter.ts";
import type { ProcessStatus, TableStatus } from "../../../src/replica/status.ts";
import { HandClock } from "../../support/clock.ts";

/** The service manager's end: a real datagram socket. */
class Manager implements Disposable {
  readonly #socket: Deno.DatagramConn;
  readonly #folder: string | null;
  readonly address: string;

  constructor(kind: "path" | "abstract") {
    this.#folder = kind === "path" ? Deno.makeTempDirSync() : null;
    this.address = kind === "path"
      ? `${this.#folder}/notify`
      : `@lockstep-test-${Deno.pid}-${crypto.randomUUID()}`;
    this.#socket = Deno.listenDatagram({
      transport: "unixpacket",
      path: this.address.replace(/^@/, "\0"),
    });
  }

  async next(): Promise<string> {
    const [bytes] = await this.#socket.receive();
    return new TextDecoder().decode(bytes);
  }

  environment(more: Record<string, string> = {}) {
    const all: Record<string, string> = { NOTIFY_SOCKET: this.address, ...more };
    return (name: string) => all[name];
  }

  [Symbol.dispose](): void {
    this.#socket.close();
    if (this.#folder !== null) Deno.removeSync(this.#folder, { recursive: true });
  }
}

function openFor(manager: Manager, more: Record<string, string> = {}) {
  const notifier = openNotifier({ environment: manager.environment(more), pid: 42 });
  assert.ok(notifier);
  return notifier;
}

for (const kind of ["path", "abstract"] as const) {
  Deno.test(`the service manager hears every message in order at its ${kind} socket`, async () => {
    using manager = new Manager(kind);
    await using notifier = openFor(manager);
    const sent = [
      notifier.status("filling"),
      notifier.extend(60_000),
      notifier.ready(),
      notifier.alive(),
      notifier.stopping(),
    ];
    const heard = [];
    for (const _ of sent) heard.push(await manager.next());
    await Promise.all(sent);
    assert.deepEqual(heard, [
      "STATUS=filling",
      "EXTEND_TIMEOUT_USEC=60000000",
      "READY=1",
      "WATCHDOG=1",
      "STOPPING=1",
    ]);
  });
}

Deno.test("a status line can't smuggle in another message", async () => {
  using manager = new Manager("abstract");
  await using notifier = openFor(manager);
  await notifier.status("servers\nREADY=1\0\x1b[31m\u2028x\n");
  assert.equal(await manager.next(), "STATUS=servers READY=1 [31m x");
});

Deno.test("without a service manager there is nobody to talk to", () => {
  for (const NOTIFY_SOCKET of [undefined, "", "@", "vsock:2:1234", "relative/path"]) {
    const environment = (name: string) => name === "NOTIFY_SOCKET" ? NOTIFY_SOCKET : undefined;
    assert.equal(openNotifier({ environment }), null);
  }
});

Deno.test("a service manager that has gone away stops nothing", async () => {
  const manager = new Manager("path");
  await using notifier = openFor(manager);
  manager[Symbol.dispose]();
  await notifier.ready();
  await notifier.stopping();
});

Deno.test("the watchdog is this process's, or none", async () => {
  using manager = new Manager("abstract");
  const cases: [Record<string, string>, number | null][] = [
    [{}, null],
    [{ WATCHDOG_USEC: "30000000" }, 30_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }, 30_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "43" }, null],
    [{ WATCHDOG_USEC: "0" }, null],
    [{ WATCHDOG_USEC: "soon" }, null],
  ];
  for (const [more, expected] of cases) {
    await using notifier = openFor(manager, more);
    assert.equal(notifier.watchdogMs, expected);
  }
});

/** What a test changes while a {@linkcode SystemdReporter} looks at it. */
class Story implements Followed {
  tables: TableStatus[] = [];
  isTurning = true;
  turning = () => this.isTurning;
  status = (): ProcessStatus => ({
    program: "lockstep-replicate",
    version: "0",
    pid: 42,
    host: "here",
    startedAt: "2026-01-01T00:00:00.000Z",
    uptimeSeconds: 0,
    memoryBytes: 0,
    store: { path: "/x", bytes: null },
    tables: this.tables,
  });
}

function table(changes: Partial<TableStatus>): TableStatus {
  return {
    table: "servers",
    url: "http://origin/servers",
    state: "starting",
    since: "2026-01-01T00:00:00.000Z",
    live: false,
    reason: null,
    hint: null,
    rows: 0,
    rowsExact: true,
    cursor: null,
    cursorTime: null,
    orderType: null,
    head: null,
    progress: null,
    lastContact: null,
    ageSeconds: null,
    everComplete: false,
    storing: true,
    expiresInSeconds: null,
    lagSeconds: null,
    recordsPerSecond: 0,
    records: {
      inserted: 0,
      updated: 0,
      deleted: 0,
      stale: 0,
      identical: 0,
      written: 0,
      quarantined: 0,
    },
    bytes: 0,
    commits: 0,
    commitSeconds: { buckets: [], sum: 0, count: 0 },
    connections: 0,
    reconnects: {},
    errors: [],
    nextAttempt: null,
    quarantined: 0,
    quarantinedBy: {},
    warnings: [],
    sweep: null,
    hold: null,
    history: [],
    hooks: [],
    ...changes,
  };
}

/** A service under a watchdog of ten seconds, with everything it says. */
async function tell(
  story: Story,
  steps: (advance: (ms: number) => Promise<string[]>) => Promise<void>,
) {
  using manager = new Manager("abstract");
  const clock = new HandClock();
  const notifier = openFor(manager, { WATCHDOG_USEC: "10000000" });
  const service = new SystemdReporter(notifier, story, clock);
  const heard: string[] = [];
  let isOver = false;
  const listening = (async () => {
    while (!isOver) {
      const message = await manager.next();
      isOver = message === "STOPPING=1";
      heard.push(message);
    }
  })();
  // Sends are awaited before the service sleeps again, and our own end is read in order: once a
  // marker of ours has come, everything said before it has come too.
  const settle = async () => {
    await clock.whenSleeping();
    const marker = `STATUS=marker ${crypto.randomUUID()}`;
    await notifier.status(marker.slice("STATUS=".length));
    while (!heard.includes(marker)) await new Promise((resolve) => setTimeout(resolve, 1));
    return heard.splice(0).filter((message) => message !== marker);
  };
  await steps(async (ms) => {
    for (let left = ms; left > 0; left -= 1_000) {
      await clock.whenSleeping();
      await clock.advance(Math.min(left, 1_000));
    }
    return await settle();
  });
  await service[Symbol.asyncDispose]();
  await listening;
  assert.equal(heard.at(-1), "STOPPING=1");
}

Deno.test("a first fill is starting, however long, until the table is live", async () => {
  const story = new Story();
  story.tables = [
    table({ state: "catching-up", cursor: "5", commits: 1, rows: 4, rowsExact: false }),
  ];
  await tell(story, async (advance) => {
    assert.deepEqual(await advance(0), [
      "STATUS=servers: catching-up, about 4 rows, cursor 5",
      "EXTEND_TIMEOUT_USEC=20000000",
    ]);
    assert.deepEqual(await advance(5_000), ["EXTEND_TIMEOUT_USEC=20000000"]);
    story.tables = [table({ state: "live", live: true, cursor: "998", rows: 1234, commits: 9 })];
    assert.deepEqual(await advance(1_000), [
      "READY=1",
      "STATUS=servers: live, 1,234 rows, cursor 998",
    ]);
    assert.deepEqual(await advance(4_000), ["WATCHDOG=1"]);
    assert.deepEqual(await advance(10_000), ["WATCHDOG=1", "WATCHDOG=1"]);
  });
});

Deno.test("rows of an earlier run are being served: ready, though the origin is away", async () => {
  const story = new Story();
  story.tables = [
    table({
      state: "waiting",
      reason: "connection refused",
      cursor: "7",
      rows: 3,
      everComplete: true,
    }),
  ];
  await tell(story, async (advance) => {
    assert.deepEqual(await advance(0), [
      "READY=1",
      "STATUS=servers: waiting (connection refused), 3 rows, cursor 7",
      "WATCHDOG=1",
    ]);
  });
});

Deno.test("a loop that hangs gives no sign of life, before READY and after", async () => {
  const story = new Story();
  story.isTurning = false;
  story.tables = [table({ state: "catching-up" })];
  await tell(story, async (advance) => {
    assert.deepEqual(await advance(20_000), ["STATUS=servers: catching-up, 0 rows, cursor none"]);
    story.tables = [table({ state: "live", live: true })];
    assert.deepEqual(await advance(20_000), [
      "READY=1",
      "STATUS=servers: live, 0 rows, cursor none",
    ]);
    story.isTurning = true;
    assert.deepEqual(await advance(1_000), ["WATCHDOG=1"]);
  });
});

Deno.test("every table is in the service's line", () => {
  const story = new Story();
  story.tables = [table({ table: "a", state: "live" }), table({ table: "b", state: "held" })];
  assert.equal(
    serviceLine(story.status()),
    "a: live, 0 rows, cursor none; b: held, 0 rows, cursor none",
  );
});
