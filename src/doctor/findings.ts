/**
 * Findings: what the samples of an origin say about it. Pure.
 *
 * @module
 */

import type { LockstepError } from "../protocol/errors.ts";
import { count, type Evidence, finding, isWholeList } from "./evidence.ts";
import { isLiveRecord } from "./fields.ts";
import { orderFindings } from "./order_findings.ts";
import { paceFindings } from "./pace_findings.ts";
import type { Reading } from "./reading.ts";
import type { Finding } from "./report.ts";

/** Whether an origin with these findings can be copied. */
export function isUsable(list: readonly Finding[]): boolean {
  return list.every(({ level }) => level !== "error");
}

/** Everything that can be said. */
export function findings(
  evidence: Evidence | { readonly refusal: LockstepError },
): Finding[] {
  if ("refusal" in evidence) {
    const { message, hint } = evidence.refusal;
    return [finding("reach", "error", message, "there is nothing to copy yet", hint)];
  }
  const { first } = evidence;
  if (first.records.length === 0) return [nothingFinding(first)];
  return [
    reachFinding(evidence),
    framingFinding(evidence),
    ...keyFindings(evidence),
    ...orderFindings(evidence),
    ...deletionFindings(evidence),
    ...paceFindings(evidence),
  ];
}

function reachFinding({ first }: Evidence): Finding {
  const { answer } = first.sample;
  return finding(
    "reach",
    "ok",
    `${answer.url} answered ${answer.status} with ${count(first.records.length, "record")}`,
    "the origin can be read",
  );
}

function nothingFinding(first: Reading): Finding {
  const { answer } = first.sample;
  const [text] = first.rejects;
  if (text !== undefined || first.fault !== null) {
    return finding(
      "framing",
      "error",
      first.fault?.seen ?? `no record in the answer, which begins with ${JSON.stringify(text)}`,
      "this is no list of records",
      first.fault?.hint ?? "check the URL; records are JSON objects",
    );
  }
  return finding(
    "reach",
    "error",
    `${answer.url} answered ${answer.status} without a record`,
    "the table is empty, or the cursor isn't understood: nothing can be told",
    "run this again when there are records, or give the cursor that it understands: --since",
  );
}

function framingFinding({ first, place, order, key }: Evidence): Finding {
  const { contentType } = first.sample.answer;
  const type = contentType ?? "no content type";
  const what = place === null ? first.framing : `${first.framing}, records in ${place}`;
  if (first.rejects.length > 0) {
    return finding(
      "framing",
      "warning",
      `${what} (${type}); ${count(first.rejects.length, "value")} unusable, such as ${
        JSON.stringify(first.rejects[0]?.slice(0, 60))
      }`,
      "what is unusable is set aside in the quarantine",
      "look at it there: lockstep-replicate quarantine TABLE",
    );
  }
  if (order === null || key === null) {
    return finding("framing", "note", `${what} (${type})`, "it can be read");
  }
  return finding("framing", "ok", `${what} (${type})`, "it is read as it is");
}

function keyFindings({ key, first }: Evidence): Finding[] {
  if (key === null) {
    return [finding(
      "key",
      "error",
      `no field, nor two, tells all ${count(first.records.length, "record")} apart`,
      "without a key records can't be told apart",
      `give one: --key FIELD[,FIELD…]; the first record has ${fieldsOf(first)}`,
    )];
  }
  const name = key.places.join(",");
  const others = key.others.length === 0 ? "" : `; also unique: ${key.others.join(", ")}`;
  const repeats = key.records - key.distinct;
  if (repeats > 0) {
    return [finding(
      "key",
      "note",
      `${name} has ${count(key.distinct, "value")} in ${count(key.records, "record")}${others}`,
      "records are sent more than once: the newest counts",
    )];
  }
  const level = key.places.length > 1 || !/id$/i.test(name) ? "note" : "ok";
  return [finding(
    "key",
    level,
    `${name} is unique in ${count(key.records, "record")}${others}`,
    "it tells records apart, as far as the sample shows",
    level === "ok" ? "" : `if another field is the key, give it: --key FIELD`,
  )];
}

function deletionFindings(evidence: Evidence): Finding[] {
  const { deletion, first, middle } = evidence;
  if (deletion === null && isWholeList(evidence)) {
    return [finding(
      "deletions",
      "ok",
      "no field that marks a record as deleted",
      "what a whole answer lacks is removed",
    )];
  }
  const later = middle ?? null;
  if (deletion === null) {
    return [finding(
      "deletions",
      "warning",
      "no field that marks a record as deleted",
      "what the origin deletes stays in the copy",
      "compare everything now and then: lockstep-replicate resync TABLE; or name the field: --deleted-by",
    )];
  }
  const how = deletion.value === null
    ? deletion.place
    : `${deletion.place} is ${JSON.stringify(deletion.value)}`;
  const ofLater = later === null
    ? 0
    : later.records.filter((record) => !isLiveRecord(record, deletion)).length;
  if (deletion.count === 0 && ofLater > 0) {
    return [finding(
      "deletions",
      "ok",
      `${how}; deletions are left out from the start, and come from later cursors`,
      "a first fill brings no deletions, later answers do",
    )];
  }
  if (deletion.count === 0) {
    return [finding(
      "deletions",
      "note",
      `${how} is there, and no record in the sample is deleted`,
      "deletions are told by it, if they are told at all",
    )];
  }
  return [finding(
    "deletions",
    "ok",
    `${count(deletion.count, "deletion")} among ${
      count(first.records.length, "record")
    }, by ${how}` +
      (deletion.value === null ? ` (such as ${deletion.values.join(", ")})` : ""),
    "deleted records leave the copy",
  )];
}

function fieldsOf({ records }: Reading): string {
  return Object.keys(records[0] ?? {}).slice(0, 12).join(", ");
}
