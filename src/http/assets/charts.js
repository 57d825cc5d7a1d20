// The charts: records a second and commit times of the last quarter of an hour.

/* global uPlot */

import { serverNow } from "./ages.js";

const REACH_S = 15 * 60;
const HEIGHT = 150;

/** @type {Map<string, number[][]>} points by table: [ms, records/s, median ms, p99 ms] */
const points = new Map();
/** @type {Map<Element, {chart: object, width: number}>} */
const drawn = new Map();

/** @param {Record<string, number[][]>} byTable */
export function addPoints(byTable) {
  for (const [table, fresh] of Object.entries(byTable)) {
    let known = points.get(table) ?? [];
    const newest = fresh.at(-1)?.[0] ?? Infinity;
    // The server's clock was set back, and its points begin anew.
    if (newest < (known.at(-1)?.[0] ?? -Infinity)) known = known.filter((p) => p[0] < fresh[0][0]);
    const last = known.at(-1)?.[0] ?? -Infinity;
    const oldest = serverNow() - REACH_S * 1000;
    points.set(table, [...known, ...fresh.filter((p) => p[0] > last)].filter((p) => p[0] > oldest));
  }
  draw();
}

export function draw() {
  for (const [box, { chart }] of drawn) {
    if (box.isConnected) continue;
    chart.destroy();
    drawn.delete(box);
  }
  for (const box of document.querySelectorAll("[data-chart]")) drawOne(box);
}

function drawOne(box) {
  const known = points.get(box.dataset.table) ?? [];
  if (known.length === 0) return;
  const columns = box.dataset.chart === "rate" ? [1] : [2, 3];
  const data = [known.map((p) => p[0] / 1000), ...columns.map((i) => known.map((p) => p[i]))];
  const width = box.clientWidth;
  const found = drawn.get(box);
  if (found === undefined) {
    box.replaceChildren();
    drawn.set(box, { chart: new uPlot(options(box, width), data, box), width });
  } else {
    if (found.width !== width && width > 0) found.chart.setSize({ width, height: HEIGHT });
    found.width = width;
    found.chart.setData(data);
  }
  showLast(drawn.get(box).chart);
}

/** Where nobody points, the legend tells the newest values. */
function showLast(chart) {
  if (!(chart.cursor.left >= 0)) chart.setLegend({ idx: chart.data[0].length - 1 }, false);
}

function options(box, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const rate = box.dataset.chart === "rate";
  const line = (label, stroke, fill) => ({
    label,
    stroke,
    width: 1.5,
    // A line takes two points.
    points: { show: (chart) => chart.data[0].length < 3 },
    value: (_, v) => v == null ? "–" : rate ? short(v) + "/s" : milliseconds(v),
    ...(fill ? { fill } : {}),
  });
  const axis = {
    stroke: colour("--muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    hooks: { setCursor: [showLast] },
    scales: {
      x: { time: true, range: () => [serverNow() / 1000 - REACH_S, serverNow() / 1000] },
      y: { range: (_, _min, max) => [0, Math.max(max ?? 0, rate ? 1 : 0.5) * 1.1] },
    },
    axes: [
      { ...axis, space: 60, values: (_, at) => at.map(clock), size: 26 },
      {
        ...axis,
        space: 32,
        size: 52,
        values: (_, at) => at.map((v) => rate ? short(v) : milliseconds(v)),
      },
    ],
    series: rate
      ? [time(), line("records", colour("--busy"), colour("--busy-wash"))]
      : [time(), line("median", colour("--ok")), line("p99", colour("--warn"))],
  };
}

function time() {
  return { label: "at", value: (_, v) => v == null ? "–" : `${clock(v, true)} UTC` };
}

/** The time of day in UTC, as everywhere on the page. */
function clock(seconds, exact) {
  const date = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const hours = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  return exact === true ? `${hours}:${two(date.getUTCSeconds())}` : hours;
}

function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toFixed(1));
}

function milliseconds(value) {
  return value >= 1000 ? `${+(value / 1000).toFixed(1)} s` : `${+value.toFixed(1)} ms`;
}

addEventListener("resize", draw);
// Colours are read when a chart is made.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { chart } of drawn.values()) chart.destroy();
  drawn.clear();
  draw();
});
