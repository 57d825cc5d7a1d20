/**
 * HTTP clients that ask this machine itself, never a proxy.
 *
 * @module
 */

/** The addresses by which a machine calls itself; a proxy would take them for its own. */
const LOOPBACK = "localhost,127.0.0.0/8,::1";

/**
 * `Deno.createHttpClient`, whose client heeds the proxies of the environment for everything but
 * loopback addresses; one with a proxy of its own, such as a unix socket, uses that for everything.
 *
 * A client reads `NO_PROXY` when it is made, and offers no other way to be told (Deno 2.9.6): so the
 * variable is set for as long, which nothing else can notice. Without the permission for that, the
 * environment counts as it is.
 *
 * @throws {TypeError} for certificates that can't be used
 */
export function createClient(
  options: Parameters<typeof Deno.createHttpClient>[0],
): Deno.HttpClient {
  const names = ["NO_PROXY", "no_proxy"];
  let before: (readonly [name: string, value: string | undefined])[];
  try {
    before = names.map((name) => [name, Deno.env.get(name)]);
    const given = before.map(([, value]) => value).find((value) => value);
    const exempt = given ? `${given},${LOOPBACK}` : LOOPBACK;
    for (const name of names) Deno.env.set(name, options.proxy === undefined ? exempt : "");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return Deno.createHttpClient(options);
  }
  try {
    return Deno.createHttpClient(options);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}
