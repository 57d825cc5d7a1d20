import assert from "node:assert/strict";

Deno.test("with OTEL_DENO=true the metrics go to a collector, and each request is a span", async () => {
  const wanted = new Set([
    "lockstep_rows",
    "lockstep_state",
    "lockstep_commit_seconds_sum",
    "/healthz",
  ]);
  const complete = Promise.withResolvers<void>();
  const collector = Deno.serve({ port: 0, onListen() {} }, async (request) => {
    const text = await request.text();
    for (const word of wanted) if (text.includes(word)) wanted.delete(word);
    if (wanted.size === 0) complete.resolve();
    return Response.json({});
  });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "telemetry_program.ts"],
    cwd: new URL(".", import.meta.url),
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: "100",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
    stdin: "null",
  }).spawn();
  const ended = child.status.then(() => collector.shutdown());
  await Promise.race([complete.promise, ended]);
  if (wanted.size === 0) child.kill("SIGTERM");
  await ended;
  assert.deepEqual([...wanted], []);
});
