import { QueryObserver } from '@tanstack/react-query';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem, send } from './client.ts';
import { Live } from './live.ts';
import { Presence, presence } from './presence.ts';
import { createQueryClient } from './query-client.ts';
import { reloadWhenRestored } from './restored.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const over = () => new Problem({ status: 401, code: 'SP_AUTH_EXPIRED', title: 'the identity has expired' });

test('a page that nobody touched for a minute says so; what a script makes up is no sign of anybody', () => {
  let nowMs = 1_000;
  const watched = new EventTarget();
  const seen = new Presence(() => nowMs);
  seen.watch(watched);
  assert.deepEqual(seen.headers(), {});
  nowMs += 60_000;
  assert.deepEqual(seen.headers(), { 'sallyport-unattended': '1' });
  watched.dispatchEvent(new Event('keydown'));
  assert.deepEqual(seen.headers(), { 'sallyport-unattended': '1' });
  watched.dispatchEvent(Object.defineProperty(new Event('keydown'), 'isTrusted', { value: true }));
  assert.deepEqual(seen.headers(), {});
});

test('each request says whether somebody is there', async (context) => {
  const asked: (string | null)[] = [];
  context.mock.method(globalThis, 'fetch', async (_url: string, { headers }: { headers: Headers }) => {
    asked.push(headers.get('sallyport-unattended'), headers.get('sallyport-console'));
    return new Response('{}');
  });
  // Of its own clock nothing is known here: the process may have run for minutes.
  let headers = {};
  context.mock.method(presence, 'headers', () => headers);
  await send('/v1/whoami', { headers: { 'sallyport-console': '1' } });
  headers = { 'sallyport-unattended': '1' };
  await send('/v1/whoami', { headers: { 'sallyport-console': '1' } });
  assert.deepEqual(asked, [null, '1', '1', '1']);
});

test('when the log-in is over, any answer tells the page, and what it has read is gone', async () => {
  const client = createQueryClient();
  let isOver = false;
  const queryFn = async (): Promise<string> => {
    if (isOver) throw over();
    return 'read';
  };
  const who = new QueryObserver(client, { queryKey: ['whoami'], queryFn });
  const end = who.subscribe(() => undefined);
  await client.fetchQuery({ queryKey: ['sessions'], queryFn });
  await turn();
  assert.equal(who.getCurrentResult().data, 'read');
  isOver = true;
  await assert.rejects(client.fetchQuery({ queryKey: ['approvals'], queryFn }));
  for (let turns = 0; who.getCurrentResult().error === null && turns < 1_000; turns += 1) await turn();
  assert.ok(who.getCurrentResult().error instanceof Problem);
  assert.deepEqual(
    client
      .getQueryCache()
      .getAll()
      .map(({ queryKey }) => queryKey),
    [['whoami']],
  );
  end();
  client.clear();
});

test('a page that comes back as it was is loaded anew; a fresh one is not', () => {
  const target = new EventTarget();
  let reloads = 0;
  reloadWhenRestored(target, () => (reloads += 1));
  for (const persisted of [false, true]) target.dispatchEvent(Object.assign(new Event('pageshow'), { persisted }));
  assert.equal(reloads, 1);
});

test('a stream that is refused for good makes the page ask who is logged in', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  class Refused extends EventTarget {
    static readonly CLOSED = 2;
    readonly readyState = 2;
    constructor() {
      super();
      opened.push(this);
    }
    close(): void {}
  }
  const opened: Refused[] = [];
  const before = Object.getOwnPropertyDescriptor(globalThis, 'EventSource');
  Object.defineProperty(globalThis, 'EventSource', { value: Refused, configurable: true });
  try {
    const client = createQueryClient();
    client.setQueryData(['whoami'], 'olga');
    const live = new Live(client);
    live.start();
    opened[0]?.dispatchEvent(new Event('error'));
    assert.equal(client.getQueryState(['whoami'])?.isInvalidated, true);
    live.stop();
    context.mock.timers.tick(60_000);
    assert.equal(opened.length, 1, 'who was logged out asks for no stream any more');
    client.clear();
  } finally {
    if (before === undefined) Reflect.deleteProperty(globalThis, 'EventSource');
    else Object.defineProperty(globalThis, 'EventSource', before);
  }
});
