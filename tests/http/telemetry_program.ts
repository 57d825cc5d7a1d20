/** A process with a status server, until it is killed: the subject of `telemetry_test.ts`. */

import { startStatusServer } from "../../src/http/server.ts";
import { StandIn } from "./stand_in.ts";

const host = await StandIn.open("servers");
Deno.addSignalListener("SIGTERM", async () => {
  await server.close();
  await host[Symbol.asyncDispose]();
  Deno.exit(0);
});
const server = await startStatusServer(host, { address: "127.0.0.1:0", explicit: true });
await (await fetch(server.url + "healthz")).text();
