import assert from "node:assert/strict";
import fc from "fast-check";
import { connect, type ConnectOptions } from "../../src/origin/connect.ts";
import { Endpoint } from "../../src/origin/endpoint.ts";
import { OriginClient } from "../../src/origin/tls_client.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import {
  badChunk,
  type Behaviour,
  drop,
  html,
  MisbehavingOrigin,
  raw,
  redirect,
  status,
} from "../support/misbehaving_origin.ts";

/** Every way to fail; each is tried with every secret. */
const FAILURES: readonly Behaviour[] = [
  status(401),
  status(404),
  status(410),
  status(503),
  html(),
  html(""),
  drop("close"),
  drop("reset"),
  raw("SSH-2.0\r\n\r\n"),
  raw("HTTP/1.1 200 OK\r\nbad header\r\n\r\n"),
  badChunk(["{}\n"]),
  redirect(),
  redirect("ftp://me:s3cret@h/?s3cret"),
  status(300),
];

/** Everything that a log, a status page or an inspection could show of an error. */
function shown(error: LockstepError): string {
  const own = { ...error, message: error.message, stack: error.stack };
  return `${JSON.stringify(own)} ${Deno.inspect(error, { depth: 10, showHidden: true })} ${error}`;
}

Deno.test("no failure shows a secret, wherever the secret was given", async () => {
  const header = await Deno.makeTempFile();
  await using origin = await MisbehavingOrigin.start();
  using client = new OriginClient();
  const closed = await MisbehavingOrigin.start();
  await closed.close();
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^Zq[a-z0-9]{6,20}Z$/),
        fc.constantFrom(...FAILURES, null),
        fc.constantFrom("token", "api_key", "sig", "access_token", "password", "X-Amz-Signature"),
        async (secret, failure, parameter) => {
          await Deno.writeTextFile(header, `authorization: Bearer ${secret}\n`);
          if (failure !== null) origin.next(failure);
          const { port } = failure === null ? closed : origin;
          const endpoint = new Endpoint(
            `http://${secret}:${secret}@127.0.0.1:${port}/servers?${parameter}=${secret}&q=${secret}${secret}`,
          );
          const options: ConnectOptions = {
            client,
            headers: [["x-api-key", secret], ["cookie", `s=${secret}`]],
            headerFile: header,
          };
          let error: unknown = null;
          try {
            const answer = await connect(endpoint, 5, options);
            for await (const _ of answer.body ?? []) { /* to its end */ }
          } catch (caught) {
            error = caught;
          }
          assert.ok(error instanceof LockstepError, `${error}`);
          const text = `${shown(error)} ${endpoint.identity} ${endpoint.printable}`;
          for (const form of [secret, btoa(secret).slice(0, 8), btoa(`${secret}:${secret}`)]) {
            assert.ok(!text.includes(form), `${form} in ${text}`);
          }
        },
      ),
      { numRuns: 60 },
    );
  } finally {
    await Deno.remove(header);
  }
});

Deno.test("nothing of a bad header file, a bad header or a bad URL is shown", async () => {
  const header = await Deno.makeTempFile();
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^Zq[a-z0-9]{6,20}Z$/),
        fc.constantFrom("SECRET", "x y: SECRET", ": SECRET", "x: SECRET\x01", "host: SECRET"),
        fc.constantFrom(
          "ftp://SECRET:SECRET@h/?SECRET",
          "http://SECRET:SECRET/@h/x?SECRET",
          "SECRET:SECRET@h",
          "http://a:%zzSECRET@h/",
          "http://a:SECRET?SECRET@h:port/",
        ),
        async (secret, line, url) => {
          const errors: unknown[] = [];
          await Deno.writeTextFile(header, line.replaceAll("SECRET", secret));
          const endpoint = new Endpoint("http://127.0.0.1:1/x");
          const note = (error: unknown) => void errors.push(error);
          await connect(endpoint, 0, { headerFile: header }).catch(note);
          const at = line.indexOf(":");
          const pair = [line.slice(0, Math.max(at, 0)), secret + "\x01"] as const;
          await connect(endpoint, 0, { headers: [pair] }).catch(note);
          try {
            new Endpoint(url.replaceAll("SECRET", secret));
          } catch (error) {
            note(error);
          }
          assert.equal(errors.length, 3);
          for (const error of errors) {
            assert.ok(error instanceof LockstepError, `${error}`);
            assert.ok(!shown(error).includes(secret), shown(error));
          }
        },
      ),
      { numRuns: 60 },
    );
  } finally {
    await Deno.remove(header);
  }
});
