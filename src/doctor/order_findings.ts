/**
 * Findings about the order: its field and unit, whether the cursor is honoured, sorting, ties, pages
 * and late commits.
 *
 * @module
 */

import { formatOrder, type Order } from "../protocol/cursor.ts";
import { isoMilliseconds } from "../protocol/iso_time.ts";
import { compareAs, isLiveRecord, orderAt, type OrderChoice, type OrderUnit } from "./fields.ts";
import { count, type Evidence, finding, isWholeList } from "./evidence.ts";
import type { Reading } from "./reading.ts";
import type { Finding } from "./report.ts";

/** A record later than the origin's clock by more is one from the future. */
const FUTURE_MS = 5 * 60_000;

/** Records of one order from which they may fill a page. */
const MANY_TIES = 50;

const UNIT_WORDS: Readonly<Record<OrderUnit, string>> = {
  seconds: "a number, seconds since 1970",
  milliseconds: "a number, milliseconds since 1970",
  microseconds: "a number, microseconds since 1970",
  nanoseconds: "a number, nanoseconds since 1970",
  counter: "a number, a counter",
  times: "times as text",
  digits: "digits as text",
  text: "text",
};

export function orderFindings(evidence: Evidence): Finding[] {
  const { order, first } = evidence;
  if (order === null && isWholeList(evidence)) {
    return [finding(
      "order",
      "note",
      "no field orders the records, and answers end",
      "each answer can be taken as the whole table: what it lacks is removed from the copy",
      "use --whole, as in the command below; or name the field that grows with each change: --order-by",
    )];
  }
  if (order === null) {
    return [finding(
      "order",
      "error",
      `no field orders the records; the first has ${
        Object.keys(first.records[0] ?? {}).slice(0, 12).join(", ")
      }`,
      "without an order there is no cursor to go on from",
      "name the field that grows with each change: --order-by FIELD",
    )];
  }
  const orders = ordersIn(first, order);
  return [
    orderFinding(order, orders, evidence.nowMs),
    ...cursorFindings(evidence),
    sortedFinding(order, orders),
    tieFinding(orders, first.sample.end === "whole"),
    ...pageFindings(evidence, order),
    ...lateFindings(evidence, order),
  ];
}

function ordersIn({ records }: Reading, { place }: OrderChoice): Order[] {
  return records.map((record) => orderAt(record, place)).filter((order) => order !== null);
}

function orderFinding(order: OrderChoice, orders: readonly Order[], nowMs: number): Finding {
  const { place, unit, isUneven, isCreation } = order;
  const shown = orders[0] === undefined ? "" : `, such as ${formatOrder(orders[0])}`;
  const others = order.others.length === 0 ? "" : `; others: ${order.others.join(", ")}`;
  const seen = `${place}: ${UNIT_WORDS[unit]}${
    isUneven ? " of uneven width" : ""
  }${shown}${others}`;
  if (isCreation) {
    return finding(
      "order",
      "warning",
      seen,
      "it seems to say when a record was made: changes of old records would be missed",
      "name the field that grows with each change, if there is one: --order-by FIELD",
    );
  }
  const future = orders.filter((value) => {
    const ms = msOf(value, unit);
    return ms !== null && ms > nowMs + FUTURE_MS;
  }).length;
  if (future > 0) {
    return finding(
      "order",
      "warning",
      `${seen}; ${count(future, "record")} from the future`,
      "they are stored, and the cursor stays before them",
      "mend their times at the origin, or check its clock and zone",
    );
  }
  if (unit === "digits") {
    return finding(
      "order",
      "note",
      seen,
      "as text, 9 would come after 11",
      "they are compared as numbers with --order-type number",
    );
  }
  if (isUneven && unit === "times") {
    return finding(
      "order",
      "note",
      seen,
      "they are compared as times; an origin that compares texts may leave rows out",
    );
  }
  return finding("order", "ok", seen, "records are asked for from it on");
}

const PER_MS: Partial<Record<OrderUnit, number>> = {
  seconds: 1e-3,
  milliseconds: 1,
  microseconds: 1e3,
  nanoseconds: 1e6,
};

/** The time of an order, in milliseconds since the epoch; null where it is none. */
export function msOf(order: Order, unit: OrderUnit): number | null {
  if (typeof order === "string") return unit === "times" ? isoMilliseconds(order) : null;
  const perMs = PER_MS[unit];
  return perMs === undefined ? null : Number(order) / perMs;
}

function cursorFindings({ honoured, middle, middleSince, first }: Evidence): Finding[] {
  const path = new URL(first.sample.answer.url).search.includes("=") ? "the query" : "the path";
  switch (honoured) {
    case "inclusive":
    case "exclusive": {
      const where = middle === null || middle === undefined
        ? path
        : new URL(middle.sample.answer.url).search.includes("=")
        ? "the query"
        : "the path";
      const found = [finding(
        "cursor",
        "ok",
        `asked from ${middleSince}, it sent nothing below; the cursor is in ${where}`,
        "only what changed is read again",
      )];
      found.push(
        honoured === "inclusive"
          ? finding("inclusive", "ok", `the records at ${middleSince} came again`, "no tie is lost")
          : finding(
            "inclusive",
            "warning",
            `asked from ${middleSince}, the records at it did not come again`,
            "of several records of one order, those that come later would be lost",
            "ask from a little earlier: --overlap, as in the command below",
          ),
      );
      return found;
    }
    case "ignored":
      return [finding(
        "cursor",
        "warning",
        `asked from ${middleSince}, it sent records below`,
        "the cursor isn't honoured: every answer is read from its beginning",
        "find out how this API asks for changes, and put {since} there: URL?updated_since={since}",
      )];
    default:
      return [finding(
        "cursor",
        "note",
        "all records have one order, or the answer to a cursor held none",
        "whether the cursor is honoured can't be told",
      )];
  }
}

function sortedFinding(order: OrderChoice, orders: readonly Order[]): Finding {
  const falls = orders.findIndex((value, i) => {
    const before = orders[i - 1];
    return before !== undefined && compareAs(value, before, order.unit) < 0;
  });
  if (falls < 0) {
    return finding(
      "sorted",
      "ok",
      `in order, ${count(orders.length, "record")}`,
      "the cursor moves as records come",
    );
  }
  return finding(
    "sorted",
    "warning",
    `out of order at record ${falls + 1}`,
    "the cursor moves only at the end of an answer: what is cut off is read again",
    `sort by ${order.place} at the origin, if you can`,
  );
}

function tieFinding(orders: readonly Order[], isFinite: boolean): Finding {
  const groups = new Map<string, number>();
  for (const value of orders) {
    const text = formatOrder(value);
    groups.set(text, (groups.get(text) ?? 0) + 1);
  }
  const largest = Math.max(0, ...groups.values());
  const ties = [...groups.values()].filter((size) => size > 1).length;
  const isLarge = isFinite && largest >= MANY_TIES;
  if (largest < 2) return finding("ties", "ok", "no two records of one order", "no tie can be cut");
  return finding(
    "ties",
    isLarge ? "warning" : "ok",
    `${count(ties, "order")} with several records, at most ${largest.toLocaleString("en")}`,
    isLarge
      ? "a page that is smaller than such a group can't be left"
      : "they come again with each request",
    isLarge ? "pages must be larger than the largest group of equal orders" : "",
  );
}

function greatestIn(orders: readonly Order[], unit: OrderUnit): Order | null {
  return orders.reduce<Order | null>(
    (a, b) => a === null || compareAs(a, b, unit) < 0 ? b : a,
    null,
  );
}

function pageFindings(
  { first, tail, honoured, deletion }: Evidence,
  order: OrderChoice,
): Finding[] {
  if (first.sample.end !== "whole" || tail === null || tail === undefined) return [];
  if (honoured !== "inclusive" && honoured !== "exclusive") return [];
  const top = greatestIn(ordersIn(first, order), order.unit);
  // Deletions that the start leaves out are no page.
  const live = tail.records.filter((record) => deletion === null || isLiveRecord(record, deletion));
  const above =
    ordersIn({ ...tail, records: live }, order).filter((value) =>
      top !== null && compareAs(value, top, order.unit) > 0
    ).length;
  const records = first.records.length;
  if (above === 0 || above < records / 10) {
    return [finding("pages", "ok", `${count(records, "record")} in one answer, all there are`, "")];
  }
  return [finding(
    "pages",
    "note",
    `an answer of ${count(records, "record")} ends, and there are more behind it`,
    "the origin sends pages: the next one is asked for at once",
  )];
}

function lateFindings({ first, again, key }: Evidence, order: OrderChoice): Finding[] {
  if (again === null || again === undefined || key === null) return [];
  const keyOf = (record: Reading["records"][number]) =>
    JSON.stringify(key.places.map((place) => String(record[place])));
  const known = new Set(first.records.map(keyOf));
  const top = greatestIn(ordersIn(first, order), order.unit);
  const late = again.records.filter((record) => {
    const value = orderAt(record, order.place);
    return value !== null && top !== null && compareAs(value, top, order.unit) < 0 &&
      !known.has(keyOf(record));
  });
  if (late.length === 0 || first.sample.end !== "whole") {
    return [finding(
      "late",
      "note",
      "no record was committed behind a later one while this ran",
      "whether the origin ever commits late can't be told in this time",
      "if its writers take long, give --overlap as long as the longest of their transactions",
    )];
  }
  return [finding(
    "late",
    "warning",
    `${count(late.length, "record")} appeared below orders that had been sent`,
    "records are committed late: a cursor alone would miss them",
    "give --overlap, as long as the longest transaction of the origin's writers",
  )];
}
