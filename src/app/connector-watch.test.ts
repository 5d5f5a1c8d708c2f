import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryDraft } from '../core/event.ts';
import type { TargetName } from '../core/ids.ts';
import type { TargetStatus } from '../core/ports.ts';
import { watchConnectors } from './connector-watch.ts';

test('a target that becomes reachable or is lost is an entry once for each change; one that was not recorded is tried again', async () => {
  const entries: EntryDraft[] = [];
  let failures = 1;
  let catalogue: TargetStatus['catalogue'] = 'loading';
  const watch = watchConnectors({
    status: () => [{ name: 'clinic' as TargetName, protocol: 'postgres', catalogue }],
    audit: {
      writable: true,
      async append(entry) {
        if (failures-- > 0) throw new Error('not now');
        return entries.push(entry);
      },
    },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    pollMs: 1,
  });
  const until = async (count: number): Promise<void> => {
    while (entries.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const holder = setInterval(() => undefined, 1000);
  catalogue = 'ready';
  await until(1);
  catalogue = 'loading';
  catalogue = 'unavailable';
  await until(2);
  catalogue = 'ready';
  await until(3);
  await watch.stop();
  clearInterval(holder);
  assert.deepEqual(
    entries.map(({ type, resource, detail }) => [type, resource?.target, detail?.['protocol']]),
    [
      ['connector.up', 'clinic', 'postgres'],
      ['connector.down', 'clinic', 'postgres'],
      ['connector.up', 'clinic', 'postgres'],
    ],
  );
});
