/**
 * `doctor`: whether and how an origin can be copied.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/log.ts";
import { examine } from "../../doctor/examine.ts";
import type { Level, Report } from "../../doctor/report.ts";
import { OriginClient } from "../../origin/tls_client.ts";
import { parseSource } from "../options/url_option.ts";
import type { Settled } from "../options/resolve_options.ts";
import { typedOptions } from "../options/typed_options.ts";
import { writeOut } from "../output.ts";

const USABLE = 0;
const NOT_USABLE = 1;

/**
 * @param given the URL, perhaps with a table's name before it
 * @param words the command line, as it was typed
 */
export async function doctorCommand(
  settled: Settled,
  given: string,
  words: readonly string[],
): Promise<number> {
  const { values, origin } = settled;
  const { table, url } = parseSource(given);
  const told = <T>(key: Parameters<typeof origin>[0], value: T) =>
    origin(key) === "default" ? undefined : value;
  const { ca, cert, certKey, headerFile } = values;
  using client = new OriginClient({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(certKey === undefined ? {} : { certKey }),
  });
  const report = await examine({
    url,
    seconds: values.seconds ?? 20,
    told: {
      key: told("key", values.key),
      orderBy: told("orderBy", values.orderBy),
      deletedBy: told("deletedBy", values.deletedBy),
      records: values.records,
      since: told("since", values.since),
    },
    connect: {
      client,
      headers: values.header,
      ...(headerFile === undefined ? {} : { headerFile }),
    },
    others: [
      ...(table === null ? [] : [{ name: "table", value: table }]),
      ...typedOptions(words),
    ],
    clock: systemClock,
  });
  await writeOut(values.json ? `${JSON.stringify(report)}\n` : reportText(report));
  return report.usable ? USABLE : NOT_USABLE;
}

const MARKS: Readonly<Record<Level, string>> = {
  ok: "ok     ",
  note: "note   ",
  warning: "WARNING",
  error: "ERROR  ",
};

/** The report for people: a finding a paragraph, its words below each other. */
export function reportText({ usable, command, findings }: Report): string {
  const width = Math.max(...findings.map(({ id }) => id.length));
  const indent = " ".repeat(MARKS.ok.length + width + 4);
  const lines = findings.flatMap(({ id, level, seen, meaning, advice }) => [
    `${MARKS[level]}  ${id.padEnd(width)}  ${printable(seen)}`,
    ...(meaning === "" ? [] : [indent + printable(meaning)]),
    ...(advice === "" ? [] : [`${indent}→ ${printable(advice)}`]),
  ]);
  const last = usable && command !== null
    ? ["", "It can be copied:", "", `  ${command}`, ""]
    : ["", "It can't be copied as it is.", ""];
  return [...lines, ...last].join("\n");
}
