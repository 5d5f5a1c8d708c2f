import assert from 'node:assert/strict';
import test from 'node:test';
import { UpstreamCancel } from './upstream-cancel.ts';

/** Requests to cancel that a test ends one by one. */
function sender(): { readonly sends: (() => void)[]; readonly cancel: UpstreamCancel } {
  const sends: (() => void)[] = [];
  return { sends, cancel: new UpstreamCancel(() => new Promise((resolve) => sends.push(resolve))) };
}

test('a request is on its way until the target has closed it', async () => {
  const { sends, cancel } = sender();
  assert.equal(cancel.settled, null);
  const sent = cancel.request();
  assert.equal(sends.length, 1);
  assert.equal(cancel.settled, sent);
  sends[0]?.();
  await sent;
  assert.equal(cancel.settled, null);
});

test('what is asked for meanwhile is sent once more, because the one on its way may have come too early', async () => {
  const { sends, cancel } = sender();
  const first = cancel.request();
  for (let index = 0; index < 100; index += 1) assert.equal(cancel.request(), first);
  assert.equal(sends.length, 1);
  sends[0]?.();
  await new Promise(setImmediate);
  assert.equal(sends.length, 2);
  assert.equal(cancel.settled, first);
  sends[1]?.();
  await first;
  assert.equal(cancel.settled, null);
  const next = cancel.request();
  assert.equal(sends.length, 3);
  sends[2]?.();
  await next;
});
