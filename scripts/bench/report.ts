/**
 * What was measured, as Markdown tables and as JSON.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import { median, pairedRatio } from "./series.ts";

/** One participant's values in a row of a table, one a run, in the order of the runs. */
export interface Cell {
  readonly who: string;
  readonly values: readonly number[];
}

/** One thing measured, by one participant or several. */
export interface Line {
  readonly what: string;
  /** Behind each figure, such as ` ms`. */
  readonly unit: string;
  readonly cells: readonly Cell[];
  /** Whose values the ratios are to. */
  readonly reference: string;
}

/** A number to hold, and whether it was. */
export interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly got: number;
  readonly held: boolean;
}

/** What one scenario found. */
export interface Section {
  readonly title: string;
  /** What is counted, from when to when. */
  readonly explanation: string;
  readonly lines: readonly Line[];
  readonly goals: readonly Goal[];
  /** Participants that could not take part, and other remarks. */
  readonly notes: readonly string[];
}

/** Makes a goal: `got` must be at least, or at most, `limit`. */
export function goal(what: string, got: number, bound: "≥" | "≤", limit: number, unit = ""): Goal {
  const held = bound === "≥" ? got >= limit : got <= limit;
  return { what, wanted: `${bound} ${limit}${unit}`, got, held };
}

/** Values of one participant in a line; none where it did not take part. */
export function valuesOf(line: Line, who: string): readonly number[] {
  return line.cells.find((cell) => cell.who === who)?.values ?? [];
}

/** Three significant digits, thousands as `k`. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100_000) return `${Math.round(value / 1000)}k`;
  if (Math.abs(value) >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

function cellText(line: Line, who: string): string {
  const values = valuesOf(line, who);
  if (values.length === 0) return "–";
  const spread = values.length > 1
    ? ` (${figure(Math.min(...values))}–${figure(Math.max(...values))})`
    : "";
  const text = `${figure(median(values))}${line.unit}${spread}`;
  if (who === line.reference) return text;
  const ratio = pairedRatio(values, valuesOf(line, line.reference));
  return Number.isFinite(ratio) ? `${text} **×${ratio.toFixed(2)}**` : text;
}

function sectionText(section: Section): string {
  const names = [...new Set(section.lines.flatMap(({ cells }) => cells.map(({ who }) => who)))];
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const parts = [`### ${section.title}`, section.explanation];
  parts.push([
    row(["", ...names]),
    row(["---", ...names.map(() => "---")]),
    ...section.lines.map((line) => row([line.what, ...names.map((who) => cellText(line, who))])),
  ].join("\n"));
  if (section.goals.length > 0) {
    parts.push([
      row(["to hold", "wanted", "reached", ""]),
      row(["---", "---", "---", "---"]),
      ...section.goals.map(({ what, wanted, got, held }) =>
        row([what, wanted, figure(got), held ? "held" : "**missed**"])
      ),
    ].join("\n"));
  }
  if (section.notes.length > 0) parts.push(section.notes.map((note) => `- ${note}`).join("\n"));
  return parts.join("\n\n");
}

/** The whole report as Markdown. */
export function markdown(machine: Machine, sections: readonly Section[]): string {
  return [
    `Medians, with the least and the greatest in brackets; **×** is the median of the ratios to the ` +
    `first column, run by run. ${machine.runs} runs, interleaved.`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory}; ${machine.system}; ` +
    `${machine.versions.join(", ")}; ${machine.date}.`,
    ...sections.map(sectionText),
  ].join("\n\n");
}
