import assert from "node:assert/strict";
import { masked } from "../../src/base/masked.ts";

Deno.test("what looks like a secret in a command isn't shown, and the rest is", () => {
  for (
    const [text, shown] of [
      ["systemctl reload haproxy", "systemctl reload haproxy"],
      ["curl -H 'X-Token: s3cret' http://x/", "curl -H 'X-Token: …' http://x/"],
      [`curl -H "Authorization: Bearer s3cret" x`, `curl -H "Authorization: Bearer …" x`],
      ["curl -H 'Authorization: Basic czNjcmV0'", "curl -H 'Authorization: Basic …'"],
      ["curl https://me:s3cret@host/reload", "curl https://…@host/reload"],
      ["curl -u me:s3cret https://host/", "curl -u … https://host/"],
      ["mysql -ps3cret db < $LOCKSTEP_FILE", "mysql -p… db < $LOCKSTEP_FILE"],
      ["mkdir -p /srv/out", "mkdir -p /srv/out"],
      ["PGPASSWORD=s3cret psql -f x", "PGPASSWORD=… psql -f x"],
      ["deploy --password s3cret --all", "deploy --password … --all"],
      ["deploy --token='s3cret two' --all", "deploy --token=… --all"],
      [`curl -d '{"token":"s3cret"}' x`, `curl -d '{"token":…}' x`],
      ["curl 'http://x/?api_key=s3cret&a=1'", "curl 'http://x/?api_key=…&a=1'"],
    ] as const
  ) {
    const found = masked(text);
    assert.ok(!found.includes("s3cret"), found);
    assert.equal(found, shown);
  }
  assert.equal(masked("send abcd1234 to x", ["abcd1234"]), "send … to x");
});
