/**
 * The main job: replicate until stopped, or once.
 *
 * @module
 */

import type { Hono } from "hono";
import { systemClock } from "../../base/clock.ts";
import { checkDescriptors } from "../../base/descriptors.ts";
import { logger } from "../../base/log.ts";
import type { FeedOptions } from "../../feed/routes.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";
import { TOMBSTONE_TTL_MS } from "../../replica/options.ts";
import { replicate, type Replicator } from "../../replica/replicator.ts";
import { Standby } from "../../replica/standby.ts";
import { openStore, storeFile } from "../../store/kv/open_store.ts";
import { isRemote } from "../../store/kv/remote_store.ts";
import { ConsoleReporter } from "../report/console_reporter.ts";
import { checkNeededFiles } from "../options/needed_files.ts";
import { remarksOn } from "../options/remarks.ts";
import {
  type HookSettings,
  type Settings,
  settingsOf,
  type StatusSettings,
} from "../options/settings.ts";
import { StopSignals } from "../signals.ts";
import { type StatusPlace, statusPlace } from "../status_place.ts";
import type { Settled } from "../options/resolve_options.ts";

const DONE = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

export async function replicateCommand(settled: Settled): Promise<number> {
  const settings = settingsOf(settled);
  using screen = new ConsoleReporter(settings.log);
  using signals = new StopSignals();
  for (const { level, text } of remarksOn(settled, Object.keys(Deno.env.toObject()))) {
    logger("main")[level]("{text}", { text });
  }
  try {
    await checkNeededFiles(settled.values);
    await run(settings, screen, signals.signal);
    return DONE;
  } catch (error) {
    if (signals.signal.aborted) return DONE;
    const isKnown = error instanceof LockstepError;
    logger("main").error(isKnown ? "{error}; {hint}" : "{error}", {
      error: messageOf(error),
      ...(isKnown ? { hint: error.hint } : {}),
    });
    return isKnown && error.kind === "usage" ? WRONG_USAGE : FAILED;
  }
}

async function run(
  settings: Settings,
  screen: ConsoleReporter,
  signal: AbortSignal,
): Promise<void> {
  checkDescriptors(settings.replicator.sources?.length ?? 1);
  // Nothing else starts a program, and what isn't allowed can't be misused.
  if (settings.hooks.onChange === null && settings.hooks.check === null) {
    await Deno.permissions.revoke({ name: "run" });
  }
  const place = settings.status === null ? null : statusPlace(settings.status);
  const statusUrl = place === null ? {} : { statusUrl: place.url };
  await using replicator = await whileStandingBy(settings, place, signal, () =>
    replicate({
      ...settings.replicator,
      ...hookOptions(settings.hooks),
      ...statusUrl,
      signal,
    }));
  screen.follow(() => replicator.status());
  // Disposed of in the opposite order: systemd is told first, streams end next, commits last.
  await using _server = await statusServer(settings, place, replicator);
  await using _service = await service(replicator);
  await replicator.done;
}

/** Takes the tables; with `--standby` shows meanwhile that another process has them. */
async function whileStandingBy(
  settings: Settings,
  place: StatusPlace | null,
  signal: AbortSignal,
  take: () => Promise<Replicator>,
): Promise<Replicator> {
  const { replicator: { standby, kv, kvTokenFile, sources = [] }, status } = settings;
  if (!standby) return await take();
  const store = await openStore(kv, { readOnly: true, tokenFile: kvTokenFile }).catch(() => null);
  // Without a store there is nobody who writes it.
  if (store === null) return await take();
  const names = sources.map(({ table }) => table ?? "");
  await using waiting = new Standby(store, names, systemClock);
  await using _service = await service(waiting);
  await using _server = await standbyServer(status, place, waiting);
  return await Promise.race([take(), aborted(signal)]);
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return promise;
}

async function standbyServer(
  status: StatusSettings | null,
  place: StatusPlace | null,
  waiting: Standby,
): Promise<AsyncDisposable | null> {
  if (status === null || place === null) return null;
  const { startStatusServer } = await import("../../http/server.ts");
  const server = await startStatusServer(waiting, {
    address: place.address,
    explicit: status.asked,
    ...(status.tokenFile === null ? {} : { tokenFile: status.tokenFile }),
  });
  logger("http").info("standing by; status page at {url}", { url: server.url });
  return { [Symbol.asyncDispose]: () => server.close() };
}

function hookOptions({ onChange, check, waitMs, write }: HookSettings) {
  return {
    ...(onChange === null ? {} : { onChange }),
    ...(check === null ? {} : { check }),
    onChangeWaitMs: waitMs,
    write: Object.fromEntries(write),
  };
}

/** The status server is imported once the replica is on its way: its first request comes first. */
async function statusServer(
  { status, replicator: { feed, feedPublic, kv, tombstoneTtlMs } }: Settings,
  place: StatusPlace | null,
  replicator: Replicator,
): Promise<AsyncDisposable | null> {
  if (status === null || place === null) return null;
  const caches = (): FeedOptions => {
    const file = storeFile(kv);
    const isFile = file !== ":memory:" && !isRemote(kv);
    return {
      public: {
        shared: status.tokenFile === null,
        beside: isFile ? file : null,
        tombstoneTtlMs: tombstoneTtlMs ?? TOMBSTONE_TTL_MS,
      },
    };
  };
  const { startStatusServer } = await import("../../http/server.ts");
  const feeds = feed
    ? new (await import("../../feed/routes.ts")).Feeds(replicator, feedPublic ? caches() : {})
    : null;
  const server = await startStatusServer(replicator, {
    address: place.address,
    explicit: status.asked,
    ...(feeds === null ? {} : { mount: (app: Hono) => feeds.mount(app) }),
    ...(status.tokenFile === null ? {} : { tokenFile: status.tokenFile }),
    ...(status.maxStalenessMs === null ? {} : { maxStalenessMs: status.maxStalenessMs }),
    onError: (error) => logger("http").error("{error}", { error: messageOf(error) }),
  });
  logger("http").info("status page at {url}", { url: server.url });
  return {
    [Symbol.asyncDispose]: async () => {
      feeds?.close();
      await server.close();
      await feeds?.[Symbol.asyncDispose]();
    },
  };
}

/** Tells systemd how it goes, where systemd started us. */
async function service(
  replicator: Pick<Replicator, "status" | "isTurning">,
): Promise<AsyncDisposable | null> {
  if (Deno.env.get("NOTIFY_SOCKET") === undefined) return null;
  const { openNotifier } = await import("../systemd/sd_notify.ts");
  const notifier = openNotifier();
  if (notifier === null) return null;
  const { SystemdReporter } = await import("../systemd/systemd_reporter.ts");
  return new SystemdReporter(notifier, {
    status: () => replicator.status(),
    turning: () => replicator.isTurning(),
  });
}
