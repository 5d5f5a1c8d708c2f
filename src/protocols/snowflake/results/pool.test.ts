import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SallyportError } from '../../../core/error.ts';
import { sentPlan } from './plan.ts';
import { ResultPool } from './pool.ts';
import { output, planOf, rowType } from './testing.ts';

/** A thread that gives back what it gets, and ends when it is told to. */
const echo = {
  isText: true,
  code: `import { parentPort } from 'node:worker_threads';
parentPort.on('message', (message) => {
  if (message.kind === 'close') return;
  const text = message.kind === 'step' && message.bytes !== null ? Buffer.from(message.bytes).toString() : '';
  if (text === 'end') process.exit(0);
  if (text === 'throw') setImmediate(() => { throw new Error('a secret value'); });
  else if (text === 'fault') parentPort.postMessage({ call: message.call, fault: { code: 'SP_UPSTREAM_PROTOCOL', message: 'no rows' } });
  else parentPort.postMessage({ call: message.call, stepped: message.kind === 'open' ? null : { output: Buffer.from(text), frames: new Uint8Array(0), rows: text.length } });
});`,
};
const options = {
  plan: sentPlan(planOf([rowType('A', 'text')], [output('clear')])),
  format: 'json',
  output: 'plain',
  rowCount: null,
  wanted: { rows: 0, bytes: 0 },
  maxRowBytes: 1024,
  maxMessageBytes: 1024,
} as const;
const never = new AbortController().signal;
const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('the pool of threads that mask', () => {
  it('refuses what a thread had when it ended, says nothing of what it worked on, and goes on with another', async () => {
    const pool = new ResultPool(1, echo);
    try {
      for (const how of ['end', 'throw']) {
        const [one, two] = [await pool.open(options, 'answer', never), await pool.open(options, 'answer', never)];
        assert.equal((await one.step(bytes('x'))).rows, 1);
        const fault = (thrown: unknown): boolean =>
          thrown instanceof SallyportError && thrown.code === 'SP_INTERNAL' && !thrown.message.includes('secret');
        await assert.rejects(two.step(bytes(how)), fault);
        // Whose stream it was before: the new thread does not know it.
        await assert.rejects(one.step(bytes('y')), fault);
        one.close();
        two.close();
        const next = await pool.open(options, 'answer', never);
        assert.equal((await next.step(bytes('again'))).rows, 5);
        next.close();
      }
    } finally {
      await pool.close();
    }
  });

  it('passes faults on with their code', async () => {
    const pool = new ResultPool(1, echo);
    const transform = await pool.open(options, 'answer', never);
    await assert.rejects(transform.step(bytes('fault')), { code: 'SP_UPSTREAM_PROTOCOL', message: 'no rows' });
    await pool.close();
  });

  it('carries a bounded number, in turn, and frees places', async () => {
    const pool = new ResultPool(1, echo);
    const places = 8;
    const open = await Promise.all(Array.from({ length: places }, () => pool.open(options, 'chunk', never)));
    const order: string[] = [];
    const heavy = pool.open({ ...options, format: 'arrow' }, 'chunk', never).then((transform) => (order.push('arrow'), transform));
    const light = pool.open(options, 'chunk', never).then((transform) => (order.push('json'), transform));
    // However many chunks wait for their clients, answers have places of their own.
    (await pool.open(options, 'answer', never)).close();
    const aborted = new AbortController();
    const gone = pool.open(options, 'chunk', aborted.signal);
    aborted.abort(new Error('the client is gone'));
    await assert.rejects(gone, /the client is gone/);
    assert.deepEqual(order, []);
    for (const each of open) {
      each.close();
      each.close();
    }
    (await heavy).close();
    (await light).close();
    assert.deepEqual(order, ['arrow', 'json']);
    await pool.close();
    await assert.rejects(pool.open(options, 'answer', never), { code: 'SP_SHUTTING_DOWN' });
  });

  it('refuses what it has when it is closed', async () => {
    const pool = new ResultPool(1, echo);
    const transform = await pool.open(options, 'answer', never);
    const step = transform.step(bytes('end'));
    await Promise.all([assert.rejects(step, { code: 'SP_INTERNAL' }), pool.close()]);
    const late = new ResultPool(1, echo);
    const opening = late.open(options, 'answer', never);
    await Promise.all([assert.rejects(opening, { code: 'SP_SHUTTING_DOWN' }), late.close()]);
  });
});
