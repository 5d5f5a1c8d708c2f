import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetName } from '../core/ids.ts';
import type { TargetAnalyst } from '../core/ports.ts';
import { type ProtocolAdapter, ProtocolAdapters } from './protocol-adapters.ts';

function adapterOf(target: string, did: string[], fault: string | null = null): ProtocolAdapter {
  const doing = async (what: string): Promise<void> => {
    did.push(`${what} ${target}`);
    if (fault === what) throw new Error(`${target} cannot ${what}`);
  };
  return {
    start: () => doing('start'),
    listen: () => Promise.reject(new Error('not in this test')),
    analysts: () => [{ target: target as TargetName } as TargetAnalyst],
    liveSessions: 0,
    planLookups: () => [{ target, texts: 1, shapes: 2, misses: 3 }],
    drain: () => doing('drain'),
    close: () => doing('close'),
  };
}

test('all adapters start, drain and close, and answer for their own targets', async () => {
  const did: string[] = [];
  const adapters = new ProtocolAdapters(
    new Map([
      ['postgres', adapterOf('clinic', did)],
      ['snowflake', adapterOf('warehouse', did)],
    ]),
  );
  await adapters.start();
  await adapters.drain(new AbortController().signal);
  await adapters.close();
  assert.deepEqual(did, ['start clinic', 'start warehouse', 'drain clinic', 'drain warehouse', 'close clinic', 'close warehouse']);
  assert.deepEqual(
    adapters.analysts().map(({ target }) => target),
    ['clinic', 'warehouse'],
  );
  assert.deepEqual(
    adapters.planLookups().map(({ target }) => target),
    ['clinic', 'warehouse'],
  );
});

test('one that cannot close does not keep the others open', async () => {
  const did: string[] = [];
  const adapters = new ProtocolAdapters(
    new Map([
      ['postgres', adapterOf('clinic', did, 'close')],
      ['snowflake', adapterOf('warehouse', did)],
    ]),
  );
  await assert.rejects(adapters.close(), /clinic cannot close/);
  assert.deepEqual(did, ['close clinic', 'close warehouse']);
});

test('a protocol that this thread does not serve has no adapter', () => {
  assert.equal(new ProtocolAdapters(new Map([['postgres', adapterOf('clinic', [])]])).of('snowflake'), undefined);
});
