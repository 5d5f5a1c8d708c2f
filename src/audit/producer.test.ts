import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SallyportError } from '../core/error.ts';
import type { Ticket } from '../core/ports.ts';
import { Producer } from './producer.ts';
import type { Durability } from './producer.ts';

/** A link whose far end is the test. */
function makeProducer(durability: Durability, room = Infinity) {
  const link = {
    durable: 0,
    hasFailed: false,
    rings: 0,
    sent: 0,
    room,
    send(bytes: Buffer): number {
      const taken = Math.min(bytes.length, link.room);
      link.room -= taken;
      link.sent += taken;
      return taken;
    },
    ring: () => (link.rings += 1),
  };
  const producer = new Producer({ link, durability, clock: { nowMs: () => 0, monotonicMs: () => 0 } });
  const template = producer.template({ type: 'request.intent', session: 's', statement: {} });
  let n = 0;
  const post = (payloadBytes = 0): Ticket =>
    producer.post(
      template,
      { n: n++, statement: { bytes: 1, parameters: [] } },
      payloadBytes === 0 ? [] : [{ kind: 'parameters', bytes: new Uint8Array(payloadBytes) }],
    );
  return { link, producer, post };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const isUnwritable = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_UNWRITABLE';

/** 'open', 'done' or 'refused' by the next turn. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  return Promise.race([promise.then(() => 'done').catch(() => 'refused'), turn().then(() => 'open')]);
}

test('durable: posted entries cross once per turn, and the writer is rung only when somebody waits', async () => {
  const { link, producer, post } = makeProducer('durable');
  const tickets = [post(), post(), post()];
  assert.equal(link.sent, 0);
  await turn();
  assert.ok(link.sent > 0);
  assert.equal(link.rings, 0);
  const waits = [producer.recorded(tickets[1]!), producer.recorded(tickets[0]!)];
  await turn();
  assert.equal(link.rings, 1, 'the first question was for all so far');
  link.durable = 1;
  producer.progressed([]);
  assert.deepEqual([await stateOf(waits[0]!), await stateOf(waits[1]!)], ['open', 'done']);
  assert.deepEqual(
    tickets.map((ticket) => producer.isRecorded(ticket)),
    [true, false, false],
  );
  link.durable = 3;
  producer.progressed([]);
  assert.deepEqual([await stateOf(waits[0]!), producer.isRecorded(tickets[2]!)], ['done', true]);
});

test('buffered: a posted entry is recorded at once and nobody is rung', async () => {
  const { link, producer, post } = makeProducer('buffered');
  const ticket = post();
  assert.equal(producer.isRecorded(ticket), true);
  await producer.recorded(ticket);
  await turn();
  assert.equal(link.rings, 0);
  assert.equal(producer.isRecorded((ticket + 1) as Ticket), false, 'one that was never posted is not');
});

test('a full stream is kept, goes on when there is room, and only then has the writer been asked in vain', async () => {
  const { link, producer, post } = makeProducer('durable', 50);
  const wait = producer.recorded(post(1000));
  await turn();
  assert.deepEqual([link.sent, link.rings], [50, 1]);
  link.room = Infinity;
  producer.progressed([]);
  assert.deepEqual([link.sent > 1050, link.rings], [true, 2], 'the question itself has crossed with the rest');
  link.durable = 1;
  producer.progressed([]);
  await wait;
});

test('buffered: with much on the way to a stuck writer, entries wait until it goes on', async () => {
  const { link, producer, post } = makeProducer('buffered', 0);
  const early = post();
  assert.equal(producer.isRecorded(early), true);
  const late = post(9 * 1024 * 1024);
  assert.equal(producer.isRecorded(late), false);
  const wait = producer.recorded(late);
  assert.equal(await stateOf(wait), 'open');
  link.room = Infinity;
  producer.progressed([]);
  assert.equal(await stateOf(wait), 'done');
});

for (const durability of ['durable', 'buffered'] as const) {
  test(`${durability}: the writer's fault ends every wait with a refusal, but for what was durable before`, async () => {
    const { link, producer, post } = makeProducer(durability, 0);
    const first = post();
    const second = post(9 * 1024 * 1024);
    const waits = [producer.recorded(first), producer.recorded(second), producer.append({ type: 'alarm' })];
    link.durable = 1;
    link.hasFailed = true;
    assert.equal(producer.writable, false, 'at once, before any message');
    assert.throws(() => post(), isUnwritable);
    producer.failed(new SallyportError('SP_AUDIT_UNWRITABLE', 'disk'));
    producer.failed(new SallyportError('SP_AUDIT_UNWRITABLE', 'disk'));
    await waits[0];
    await assert.rejects(waits[1]!, isUnwritable);
    await assert.rejects(waits[2]!, isUnwritable);
    assert.deepEqual([producer.isRecorded(first), producer.isRecorded(second)], [true, false]);
    await assert.rejects(producer.recorded(second), isUnwritable);
    await producer.close();
  });
}

test('closing waits for what was accepted to be durable, buffered too', async () => {
  const { link, producer, post } = makeProducer('buffered');
  post();
  const closing = producer.close();
  assert.equal(await stateOf(closing), 'open');
  assert.throws(() => post(), isUnwritable);
  link.durable = 1;
  producer.progressed([]);
  await closing;
});

test('a ticket that was never given is refused', async () => {
  const { producer } = makeProducer('durable');
  await assert.rejects(
    producer.recorded(0 as Ticket),
    (error: unknown) => error instanceof SallyportError && error.code === 'SP_AUDIT_ENTRY_INVALID',
  );
});
