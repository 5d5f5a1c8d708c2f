// `sallyport serve`: starts the gateway, waits for a signal, drains. The first SIGTERM or SIGINT drains, the second stops
// at once. When the audit log can no longer be written, or a worker has ended, the process ends with exit code 1.

import { SallyportError } from '../core/error.ts';
import { type RunningGateway, startGateway } from './compose.ts';
import { loadConfig } from './config.ts';
import { createLogger, systemClock, systemRandom } from './ports.ts';

export interface ServeOptions {
  readonly config: string;
  readonly write: (text: string) => void;
}

/** Resolves when the gateway has stopped.
 *  @throws SP_CONFIG_INVALID and the faults of `startGateway`; SP_AUDIT_UNWRITABLE when the log failed while running, SP_INTERNAL when a worker did */
export async function serve(options: ServeOptions): Promise<void> {
  const logger = createLogger('info');
  const fatal = Promise.withResolvers<SallyportError>();
  const config = await loadConfig(options.config);
  const gateway = await startGateway(config, {
    clock: systemClock,
    random: systemRandom,
    logger,
    onFatal: (fault) => fatal.resolve(fault),
  });
  // Before anything is said: whoever reads it may signal at once.
  const stopped = untilSignal(gateway);
  for (const listener of gateway.listeners) options.write(`${listener.protocol} on ${listener.host}:${listener.port}\n`);
  options.write(`api on ${gateway.api.url}\n`);
  options.write(`audit log ${gateway.auditDirectory}, verifier key ${gateway.vkey}\n`);
  const end = await Promise.race([stopped, fatal.promise]);
  if (end instanceof SallyportError) {
    logger.error({ code: end.code, fault: end.message }, 'cannot go on; stopping');
    await gateway.stop(AbortSignal.abort()).catch(() => undefined);
    throw end;
  }
  logger.info({}, 'stopped');
}

/** Resolves when the gateway has stopped after a signal. */
export async function untilSignal(gateway: Pick<RunningGateway, 'stop'>): Promise<'stopped'> {
  const now = new AbortController();
  return new Promise((stopped, failed) => {
    let signals = 0;
    const onSignal = (): void => {
      signals += 1;
      if (signals > 1) now.abort();
      if (signals === 1) {
        gateway.stop(now.signal).then(() => {
          process.off('SIGTERM', onSignal);
          process.off('SIGINT', onSignal);
          stopped('stopped');
        }, failed);
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
