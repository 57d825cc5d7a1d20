import assert from "node:assert/strict";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { refuseTracedSecret } from "../../src/origin/traced.ts";

Deno.test("an endpoint whose query hides something is refused where traces would show it", () => {
  const secret = new Endpoint("https://origin.example/servers?token=s3cret");
  const plain = new Endpoint("https://me:s3cret@origin.example/servers?live=1");
  const on = { OTEL_DENO: "true" };
  const env = (set: Record<string, string>) => (name: string) => set[name];
  assert.throws(() => refuseTracedSecret(secret, env(on)), {
    kind: "usage",
    message: /token=…/,
    hint: /OTEL_TRACES_SAMPLER=always_off.*--header/,
  });
  refuseTracedSecret(secret, env({}));
  refuseTracedSecret(secret, env({ ...on, OTEL_TRACES_SAMPLER: "always_off" }));
  refuseTracedSecret(plain, env(on));
});
