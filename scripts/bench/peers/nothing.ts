/**
 * The least that a Deno program with a store and a server costs.
 *
 * ```sh
 * deno run -A --unstable-kv nothing.ts              # ends at once
 * deno run -A --unstable-kv nothing.ts idle FILE    # an open store and a listening socket
 * ```
 *
 * @module
 */

const [role = "end", file = ":memory:"] = Deno.args;

if (role === "idle") {
  await Deno.openKv(file);
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response());
  console.log("ready");
}
