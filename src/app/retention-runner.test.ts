import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SallyportError } from '../core/error.ts';
import { runRetention } from './retention-runner.ts';

const never = (): never => assert.fail('nothing is logged');

test('the parts run one after the other; a fault is told by its code, and stopping waits for what runs', async () => {
  const done: string[] = [];
  const told: unknown[] = [];
  const failed = Promise.withResolvers<void>();
  const logger = {
    info: never,
    warn: never,
    error: (fields: unknown) => {
      told.push(fields);
      failed.resolve();
    },
  };
  const first = { run: async () => done.push('first') };
  const second = { run: async () => Promise.reject(new SallyportError('SP_AUDIT_UNWRITABLE', 'patient Miller')) };
  const failing = runRetention([first, second], logger, 1);
  const alive = setInterval(() => undefined, 1000);
  await failed.promise;
  await failing.stop();
  assert.deepEqual([done, told], [['first'], [{ code: 'SP_AUDIT_UNWRITABLE' }]]);

  const begun = Promise.withResolvers<void>();
  const slow = runRetention(
    [
      {
        async run(signal) {
          begun.resolve();
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          done.push('cut');
          signal.throwIfAborted();
          return 0;
        },
      },
    ],
    { info: never, warn: never, error: never },
    1,
  );
  await begun.promise;
  await slow.stop();
  clearInterval(alive);
  assert.equal(done.at(-1), 'cut');
});
