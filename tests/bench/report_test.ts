import assert from "node:assert/strict";
import type { Machine } from "../../scripts/bench/machine.ts";
import {
  figure,
  goal,
  type Line,
  markdown,
  type Section,
  valuesOf,
} from "../../scripts/bench/report.ts";

const MACHINE: Machine = {
  cpu: "a processor",
  cores: 2,
  memory: "4 GiB",
  system: "linux 6 x86_64",
  versions: ["program 1", "runtime 2"],
  date: "2026-01-02",
  runs: 3,
};

const SPEED: Line = {
  what: "first fill",
  unit: "/s",
  reference: "ceiling",
  cells: [
    { who: "ceiling", values: [200_000, 100_000, 400_000] },
    { who: "ours", values: [100_000, 80_000, 100_000] },
  ],
};

const SECTION: Section = {
  title: "A scenario",
  explanation: "What is counted.",
  lines: [SPEED],
  goals: [],
  notes: [],
};

/** The paragraphs behind those about the machine. */
function reported(section: Section): string[] {
  return markdown(MACHINE, [section]).split("\n\n").slice(2);
}

/** A section's table, without its first two lines. */
function rowsOf(...lines: Line[]): string[] {
  return reported({ ...SECTION, lines })[2]?.split("\n").slice(2) ?? [];
}

Deno.test("figures have three significant digits, and thousands as k", () => {
  const figures = [0.012345, 1.005, 12.34, 123.4, 1_234, 12_345, 123_456, -123_456, 0];
  assert.deepEqual(
    figures.map(figure),
    ["0.0123", "1", "12.3", "123", "1234", "12.3k", "123k", "-123k", "0"],
  );
  assert.deepEqual([NaN, Infinity].map(figure), ["–", "–"]);
});

Deno.test("a goal is held at its limit, and missed beyond it or without a value", () => {
  assert.deepEqual(goal("speed", 0.95, "≥", 0.95), {
    what: "speed",
    wanted: "≥ 0.95",
    got: 0.95,
    held: true,
  });
  assert.equal(goal("speed", 0.94, "≥", 0.95).held, false);
  assert.equal(goal("wait", 10, "≤", 10, " ms").wanted, "≤ 10 ms");
  assert.equal(goal("wait", 10, "≤", 10).held, true);
  assert.equal(goal("wait", 10.1, "≤", 10).held, false);
  assert.equal(goal("wait", NaN, "≤", 10).held, false);
});

Deno.test("values are found by who they are of", () => {
  assert.deepEqual(valuesOf(SPEED, "ours"), [100_000, 80_000, 100_000]);
  assert.deepEqual(valuesOf(SPEED, "nobody"), []);
});

Deno.test("a section is its title, what is counted, and a table of medians, spreads and ratios", () => {
  assert.deepEqual(reported(SECTION), [
    "### A scenario",
    "What is counted.",
    [
      "|  | ceiling | ours |",
      "| --- | --- | --- |",
      "| first fill | 200k/s (100k–400k) | 100k/s (80.0k–100k) **×0.50** |",
    ].join("\n"),
  ]);
});

Deno.test("one run has no spread, and who took no part has a dash", () => {
  const once: Line = {
    what: "once",
    unit: " ms",
    reference: "ceiling",
    cells: [{ who: "ceiling", values: [2] }, { who: "ours", values: [3] }],
  };
  const alone: Line = { ...once, what: "alone", cells: [{ who: "ours", values: [3, 5] }] };
  assert.deepEqual(rowsOf(once, alone), [
    "| once | 2 ms | 3 ms **×1.50** |",
    // Without a reference there is no ratio.
    "| alone | – | 4 ms (3–5) |",
  ]);
});

Deno.test("columns are all who take part, in the order in which they first appear", () => {
  const other: Line = { ...SPEED, what: "refill", cells: [{ who: "another", values: [1] }] };
  const [head] = reported({ ...SECTION, lines: [SPEED, other] })[2]?.split("\n") ?? [];
  assert.equal(head, "|  | ceiling | ours | another |");
});

Deno.test("goals and notes follow the table where there are any", () => {
  const goals = [goal("of the ceiling", 0.5, "≥", 0.95), goal("p99", 7.25, "≤", 10, " ms")];
  assert.deepEqual(reported({ ...SECTION, goals, notes: ["One.", "Two."] }).slice(3), [
    [
      "| to hold | wanted | reached |  |",
      "| --- | --- | --- | --- |",
      "| of the ceiling | ≥ 0.95 | 0.5 | **missed** |",
      "| p99 | ≤ 10 ms | 7.25 | held |",
    ].join("\n"),
    "- One.\n- Two.",
  ]);
});

Deno.test("a report tells the machine, the versions and how often was measured", () => {
  const [about = "", machine] = markdown(MACHINE, []).split("\n\n");
  assert.match(about, / 3 runs, interleaved\.$/);
  assert.equal(
    machine,
    "a processor, 2 cores, 4 GiB; linux 6 x86_64; program 1, runtime 2; 2026-01-02.",
  );
});
