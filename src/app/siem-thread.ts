// The thread that exports the log to SIEMs: it reads what is published of the log from its files, turns it into events and sends them.
// Neither the threads that serve statements nor the log's writer have a part in it; the main thread keeps cursors and writes alarms.

import { parentPort, workerData } from 'node:worker_threads';
import { publishedLeaves } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';
import { delayAfter } from '../notify/index.ts';
import { Exporter } from '../siem/index.ts';
import { systemClock, systemRandom } from './ports.ts';
import { isSiemThreadData, type SiemMainCalls, type SiemThreadCalls } from './siem-messages.ts';
import { destinationOf } from './siem-settings.ts';
import { ThreadCalls } from './thread-calls.ts';
import type { LogLine } from './worker-messages.ts';

/** States are told at most this often. */
const TELL_MS = 100;

export function runSiemThread(): void {
  if (parentPort === null || !isSiemThreadData(workerData)) throw new SallyportError('SP_INTERNAL', 'not a thread of the SIEM export');
  const { settings, context, auditDirectory } = workerData;
  const line =
    (level: LogLine['level']): Logger['info'] =>
    (fields, message) =>
      calls.tell('log', { level, fields, message });
  const logger: Logger = { info: line('info'), warn: line('warn'), error: line('error') };
  const source = publishedLeaves(auditDirectory, context.origin);
  let timer: NodeJS.Timeout | null = null;
  const tell = (): void => {
    timer = null;
    calls.tell(
      'states',
      exporters.map((exporter) => exporter.state()),
    );
  };
  const exporters = settings.map((each) => {
    const destination = destinationOf(each, context, (text) => calls.call('write', text));
    return new Exporter(
      { destination, startAt: each.startAt, maxBatch: each.maxBatch },
      {
        source,
        cursors: {
          load: (name) => calls.call('load', name),
          save: (name, cursor) => calls.call('save', { destination: name, cursor }),
        },
        clock: systemClock,
        random: systemRandom,
        logger,
        delayAfter,
        onRollback: (name) => calls.call('alarm', { code: 'log-rolled-back', destination: name }),
        onPruned: (name, from, to) => calls.call('alarm', { code: 'siem-entries-pruned', destination: name, from, to }),
        onChange: () => (timer ??= setTimeout(tell, TELL_MS)),
      },
    );
  });
  const calls: ThreadCalls<SiemMainCalls, SiemThreadCalls> = new ThreadCalls<SiemMainCalls, SiemThreadCalls>(parentPort, {
    async start() {
      for (const exporter of exporters) await exporter.start();
      tell();
    },
    async reset({ destination, next }) {
      const exporter = exporters.find((each) => each.state().name === destination);
      if (exporter === undefined) throw new SallyportError('SP_INTERNAL', 'the SIEM export has no such destination');
      await exporter.reset(next);
      tell();
    },
    async stop() {
      await Promise.all(exporters.map((exporter) => exporter.stop()));
      if (timer !== null) clearTimeout(timer);
      tell();
    },
  });
}
