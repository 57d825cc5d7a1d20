/**
 * Findings about how answers come: their end, heartbeats, buffers, compression, clocks, size and
 * speed.
 *
 * @module
 */

import { formatDuration } from "../base/duration.ts";
import { orderAt } from "./fields.ts";
import { count, type Evidence, finding } from "./evidence.ts";
import { msOf } from "./order_findings.ts";
import type { Reading } from "./reading.ts";
import type { Finding } from "./report.ts";

/** A pause within a record from which something holds bytes back. */
const HELD_MS = 800;

/** `Date` has whole seconds, and the answer took its way. */
const SKEW_MS = 3_000;

export function paceFindings(evidence: Evidence): Finding[] {
  const readings = [evidence.first, evidence.middle, evidence.tail].filter((reading) =>
    reading !== null && reading !== undefined
  );
  return [
    endingFinding(evidence),
    ...heartbeatFindings(readings),
    ...bufferFindings(readings),
    compressionFinding(evidence.first),
    clockFinding(evidence.first),
    ...feedFindings(evidence.first),
    ...sizeFindings(evidence),
  ];
}

function endingFinding({ first, tail }: Evidence): Finding {
  const last = tail ?? first;
  switch (last.sample.end) {
    case "whole":
      if (last.isUnfinished) {
        return finding(
          "ending",
          "warning",
          "the answer ended within a record",
          "it is cut somewhere",
          "look at the origin's log, and at the proxies between",
        );
      }
      return last.sample.answer.endIsProof || last.endIsProved
        ? finding("ending", "ok", "answers end", "the copy is up to date at the end of each")
        : finding(
          "ending",
          "warning",
          "answers end by closing the connection, with no length",
          "a cut can't be told from an end: no row is removed after such an answer without approval",
          "let the origin send chunks or Content-Length",
        );
    case "broken":
      return finding(
        "ending",
        "warning",
        "the answer broke off",
        "what was whole is kept",
        "look at the origin's log, and at the proxies between",
      );
    case "open":
      return finding(
        "ending",
        "ok",
        `the answer stays open (${formatDuration(Math.round(last.sample.elapsedMs))} were watched)`,
        "changes come as they happen",
      );
    case "bound":
      return finding(
        "ending",
        "note",
        `the answer is longer than ${size(last.bytes)}, which is as much as was read`,
        "whether it ends can't be told",
      );
  }
}

function heartbeatFindings(readings: readonly Reading[]): Finding[] {
  const open = readings.filter(({ sample }) => sample.end === "open");
  const last = open.at(-1);
  if (last === undefined) return [];
  const spans = last.beatsMs.slice(1).map((at, i) => at - (last.beatsMs[i] ?? at));
  if (spans.length > 0) {
    const median = spans.toSorted((a, b) => a - b)[spans.length >> 1] ?? 0;
    return [finding(
      "heartbeat",
      "ok",
      `a blank line each ${formatDuration(Math.max(1, Math.round(median / 100) * 100))}`,
      "a connection that died is noticed",
    )];
  }
  const watched = formatDuration(Math.round(last.sample.elapsedMs));
  return [finding(
    "heartbeat",
    "note",
    `no blank line while it was quiet, in ${watched}`,
    "after --idle-timeout (60s) of silence it is asked again",
    "let the origin send a blank line now and then, or raise --idle-timeout",
  )];
}

function bufferFindings(readings: readonly Reading[]): Finding[] {
  const held = readings.find(({ heldMs }) => heldMs >= HELD_MS);
  if (held === undefined) {
    return [];
  }
  return [finding(
    "buffering",
    "warning",
    `the answer paused for ${
      formatDuration(Math.round(held.heldMs / 100) * 100)
    } within a record, ` +
      `after ${size(held.heldAfterBytes)}`,
    "something in between gathers bytes before it passes them on: changes come late, and in bursts",
    "switch its buffering off (nginx: proxy_buffering off, or the header X-Accel-Buffering: no)",
  )];
}

function compressionFinding({ sample, bytes }: Reading): Finding {
  const { contentEncoding } = sample.answer;
  if (contentEncoding !== null && contentEncoding !== "identity") {
    return finding("compression", "ok", `answers come as ${contentEncoding}`, "less to transfer");
  }
  return finding(
    "compression",
    "note",
    "answers come uncompressed",
    bytes > 2 ** 20 ? "a first fill transfers all of it" : "small answers need none",
    bytes > 2 ** 20 ? "let the origin compress with gzip" : "",
  );
}

function clockFinding({ sample }: Reading): Finding {
  const { date } = sample.answer;
  if (date === null) {
    return finding(
      "clock",
      "note",
      "no Date header",
      "our own clock tells what is from the future",
    );
  }
  // Within the second that `Date` names, and the time that the answer was under way.
  const early = sample.headersAt - sample.headersMs - date - 1_000;
  const late = date - sample.headersAt;
  const skewMs = Math.max(early, late, 0);
  return skewMs > SKEW_MS
    ? finding(
      "clock",
      "warning",
      `its clock is ${formatDuration(Math.round(skewMs / 1000) * 1000)} ${
        late > early ? "ahead of" : "behind"
      } ours`,
      "ages that are shown are off by so much",
      "set the clocks: NTP",
    )
    : finding("clock", "ok", "its clock and ours agree", "ages that are shown are right");
}

function feedFindings({ sample }: Reading): Finding[] {
  const { head, generation } = sample.answer;
  if (head === null && generation === null) return [];
  return [finding(
    "feed",
    "ok",
    `it is a lockstep feed${head === null ? "" : `, at ${head || "its beginning"}`}`,
    "the copy knows when it has everything",
  )];
}

function sizeFindings({ first, order, nowMs }: Evidence): Finding[] {
  const { records, bytes, dataMs, sample } = first;
  const each = bytes / Math.max(1, records.length);
  const spanMs = Math.max(dataMs, 1);
  const perSecond = records.length / (spanMs / 1000);
  const pace = dataMs < 50
    ? ""
    : `, ${Math.round(perSecond).toLocaleString("en")} records a second`;
  const found = [finding(
    "size",
    "ok",
    `${size(each)} a record${pace}`,
    sample.end === "bound" ? `${count(records.length, "record")} were looked at` : "",
  )];
  if (sample.end === "whole") {
    return [
      ...found,
      finding(
        "fill",
        "ok",
        `${count(records.length, "record")}, ${size(bytes)} in ${
          formatDuration(Math.max(1, Math.round(sample.elapsedMs)))
        }`,
        "an answer takes so long",
      ),
    ];
  }
  if (sample.end === "open") {
    return [
      ...found,
      finding(
        "fill",
        "ok",
        `${count(records.length, "record")}, ${size(bytes)} in ${
          formatDuration(Math.max(1, Math.round(dataMs)))
        }, then quiet`,
        "a first fill takes so long",
      ),
    ];
  }
  const total = order === null ? null : estimate(first, order, nowMs);
  if (total === null || dataMs < 50) {
    return [
      ...found,
      finding("fill", "note", "the sample is a part", "how long a first fill takes can't be told"),
    ];
  }
  const seconds = total / perSecond;
  return [
    ...found,
    finding(
      "fill",
      "note",
      `about ${Math.round(total).toLocaleString("en")} records, by the times of the first ${
        records.length.toLocaleString("en")
      }`,
      `a first fill takes about ${
        formatDuration(Math.max(1000, Math.round(seconds) * 1000))
      }, if they are evenly spread`,
    ),
  ];
}

/** Records up to now, from how far the times of the first ones reach; null where that says nothing. */
function estimate(
  { records }: Reading,
  { place, unit }: NonNullable<Evidence["order"]>,
  nowMs: number,
): number | null {
  const times = records.flatMap((record) => {
    const order = orderAt(record, place);
    const ms = order === null ? null : msOf(order, unit);
    return ms === null ? [] : [ms];
  });
  const [from, to] = [times[0], times.at(-1)];
  if (from === undefined || to === undefined || to <= from || nowMs <= from) return null;
  return records.length * Math.max(1, (nowMs - from) / (to - from));
}

function size(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} bytes`;
  return bytes < 2 ** 20
    ? `${(bytes / 1024).toFixed(1)} KiB`
    : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
