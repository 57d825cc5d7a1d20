/** Statuses for tests: a plain live table, changed as a test likes. */

import type { ProcessStatus, TableStatus } from "../../src/replica/status.ts";

export function tableStatus(changes: Partial<TableStatus> = {}): TableStatus {
  return {
    table: "servers",
    url: "http://origin.example/servers",
    state: "live",
    since: "2026-11-22T22:00:00.000Z",
    live: true,
    reason: null,
    hint: null,
    rows: 1234,
    rowsExact: true,
    cursor: "998",
    cursorTime: null,
    orderType: null,
    head: null,
    progress: null,
    lastContact: "2026-11-22T22:00:00.000Z",
    ageSeconds: 0,
    everComplete: true,
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
    connections: 1,
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

export function processStatus(...tables: Partial<TableStatus>[]): ProcessStatus {
  return {
    program: "lockstep-replicate",
    version: "0.0.0",
    pid: 1,
    host: "here",
    startedAt: "2026-11-22T22:00:00.000Z",
    uptimeSeconds: 60,
    memoryBytes: 1,
    store: { path: "/state", bytes: 1 },
    tables: tables.map(tableStatus),
  };
}
