import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import { type Handlers, ThreadCalls } from './thread-calls.ts';

type Table = {
  readonly double: { readonly argument: number; readonly value: number };
  readonly note: { readonly argument: string; readonly value: void };
  readonly hang: { readonly argument: null; readonly value: string };
};
type Nothing = Record<string, never>;

let close = (): void => undefined;
afterEach(() => close());

function connected(handlers: Partial<Handlers<Table>>): ThreadCalls<Table, Nothing> {
  const { port1, port2 } = new MessageChannel();
  close = () => port1.close();
  void new ThreadCalls<Nothing, Table>(port1, handlers as Handlers<Table>);
  return new ThreadCalls<Table, Nothing>(port2, {});
}

test('answers find their calls, whatever their order', async () => {
  const turns: (() => void)[] = [];
  const calls = connected({
    double(value) {
      const { promise, resolve } = Promise.withResolvers<number>();
      turns.push(() => resolve(value * 2));
      if (turns.length === 3) for (const turn of turns.toReversed()) turn();
      return promise;
    },
  });
  assert.deepEqual(await Promise.all([calls.call('double', 1), calls.call('double', 2), calls.call('double', 3)]), [2, 4, 6]);
});

test('what is told comes before what is called next, and is not answered', async () => {
  const notes: string[] = [];
  const calls = connected({ note: async (text) => void notes.push(text), double: async (value) => value + notes.length });
  calls.tell('note', 'one');
  assert.equal(await calls.call('double', 10), 11);
});

test('a fault keeps its code; a foreign one keeps nothing but its name', async () => {
  const faults: unknown[] = [new SallyportError('SP_STORE_UNAVAILABLE', 'test: locked'), new RangeError('970-00-0001 is out of range')];
  const calls = connected({ double: () => Promise.reject(faults.shift() as Error) });
  await assert.rejects(calls.call('double', 1), { code: 'SP_STORE_UNAVAILABLE', message: 'test: locked' });
  await assert.rejects(calls.call('double', 1), { code: 'SP_INTERNAL', message: 'a call between threads failed (RangeError)' });
});

test('an unknown call is refused', async () => {
  const calls = connected({});
  await assert.rejects(calls.call('double', 1), { code: 'SP_INTERNAL' });
});

test('an abort is a signal on the other side, with the reason of ours; one that fired before is seen at once', async () => {
  const calls = connected({
    async hang(_, signal) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return signal.reason instanceof SallyportError ? signal.reason.code : (signal.reason as Error).name;
    },
  });
  const later = new AbortController();
  const asked = calls.call('hang', null, later.signal);
  later.abort(new SallyportError('SP_CLIENT_LOST', 'test'));
  assert.equal(await asked, 'SP_CLIENT_LOST');
  assert.equal(await calls.call('hang', null, later.signal), 'SP_CLIENT_LOST');
  assert.equal(await calls.call('hang', null, AbortSignal.abort()), 'AbortError');
});
