import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Principal } from '../core/identity.ts';
import type { Approval } from '../core/ports.ts';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { EventBroker } from './event-broker.ts';
import { EventIds } from './event-ids.ts';
import type { EventStream, EventStreams } from './event-streams.ts';
import { createApi } from './server.ts';
import { approvalOf, createFakes, type Fakes, PEOPLE, POLICY, sessionId, sessionOf } from './testing.ts';
import type { Viewer } from './viewer.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const person = (name: string) => PEOPLE[name] ?? assert.fail(name);

describe('events', () => {
  async function stream(app: ApiApp, who: string, headers: Readonly<Record<string, string>> = {}) {
    const answer = await app.inject({ url: '/v1/events', headers: { authorization: `Bearer ${who}`, ...headers }, payloadAsStream: true });
    const body = answer.stream();
    body.setEncoding('utf8');
    let text = '';
    body.on('data', (chunk: string) => (text += chunk));
    return {
      kinds: () => [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1]),
      lastId: () => [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '',
      text: () => text,
    };
  }
  async function open(): Promise<{ app: ApiApp; fakes: Fakes }> {
    const fakes = createFakes();
    fakes.sessions.push(sessionOf('a', person('agent'), 0));
    return { app: await buildApi(fakes.deps, null), fakes };
  }

  test('each viewer is told what the lists would show', async () => {
    const { app, fakes } = await open();
    const [agent, stranger, operator, auditor] = [
      await stream(app, 'agent'),
      await stream(app, 'stranger'),
      await stream(app, 'operator'),
      await stream(app, 'auditor'),
    ];
    fakes.change({ kind: 'session', id: sessionId('a') });
    fakes.change({ kind: 'session', id: sessionId('z') });
    fakes.change({ kind: 'lock', lock: { kind: 'role', name: 'auditor' }, state: 'set' });
    fakes.change({ kind: 'log', size: 7 });
    fakes.change({ kind: 'policy', sha256: POLICY });
    await turn();
    assert.deepEqual(agent.kinds(), ['ready', 'session', 'policy']);
    assert.deepEqual(stranger.kinds(), ['ready', 'policy']);
    assert.deepEqual(operator.kinds(), ['ready', 'session', 'lock', 'policy']);
    assert.deepEqual(auditor.kinds(), ['ready', 'session', 'lock', 'log', 'policy']);
    assert.match(auditor.text(), /event: log\ndata: {"size":7}/);
    await app.close();
  });

  test('a client that comes back gets what it missed, in order and once, and then goes on', async () => {
    const { app, fakes } = await open();
    const first = await stream(app, 'auditor');
    fakes.change({ kind: 'log', size: 1 });
    await turn();
    const id = first.lastId();
    fakes.change({ kind: 'log', size: 2 });
    fakes.change({ kind: 'session', id: sessionId('a') });
    fakes.change({ kind: 'log', size: 3 });
    const again = await stream(app, 'auditor', { 'last-event-id': id });
    await turn();
    fakes.change({ kind: 'policy', sha256: POLICY });
    await turn();
    assert.deepEqual(again.kinds(), ['ready', 'session', 'log', 'policy']);
    assert.match(again.text(), /"size":3/);
    assert.doesNotMatch(again.text(), /"size":[12]/);
    await app.close();
  });

  test('an id of another run, or none at all, means: read everything again', async () => {
    const { app } = await open();
    for (const id of [new EventIds().encode(0), 'made-up', '7']) {
      const events = await stream(app, 'auditor', { 'last-event-id': id });
      await turn();
      assert.deepEqual(events.kinds(), ['ready', 'reset'], id);
    }
    await app.close();
  });

  test('an approval is told as it is when it is told, so that nothing of it is kept', async () => {
    const { app, fakes } = await open();
    const auditor = await stream(app, 'auditor');
    await turn();
    const approval = approvalOf('a', person('agent'));
    fakes.publish(approval);
    fakes.approvals[0] = { ...approval, state: 'cancelled' };
    await turn();
    assert.match(auditor.text(), /event: approval\ndata: .*"state":"cancelled"/);
    fakes.approvals.length = 0;
    const id = auditor.lastId();
    const again = await stream(app, 'auditor', { 'last-event-id': new RegExp('^id: (.*)$', 'm').exec(auditor.text())?.[1] ?? id });
    await turn();
    assert.deepEqual(again.kinds(), ['ready']);
    await app.close();
  });

  test('who could answer by a right that was lent hears that somebody else did, and nothing more', async () => {
    const fakes = createFakes();
    const lent = person('stranger');
    const approvals = {
      ...fakes.deps.approvals,
      mayAnswer: ({ state }: Approval, by: Principal) => state === 'pending' && by.subject === lent.subject,
    };
    const app = await buildApi({ ...fakes.deps, approvals }, null);
    const [stranger, other] = [await stream(app, 'stranger'), await stream(app, 'other')];
    await turn();
    const approval = approvalOf('a', person('agent'));
    for (const state of ['pending', 'approved'] as const) {
      fakes.publish({ ...approval, state });
      await turn();
    }
    assert.deepEqual(stranger.kinds(), ['ready', 'approval', 'approval']);
    assert.match(stranger.text(), /"state":"pending".*"mayAnswer":true/);
    assert.ok(stranger.text().includes(`data: ${JSON.stringify({ id: approval.id, state: 'approved' })}\n`));
    assert.deepEqual(other.kinds(), ['ready']);
    await app.close();
  });

  test('a lock ends the stream with the next event', async () => {
    const { app, fakes } = await open();
    const auditor = await stream(app, 'auditor');
    await fakes.deps.locks.lock(person('operator'), 'principal', 'corp/ada');
    fakes.change({ kind: 'log', size: 1 });
    fakes.change({ kind: 'log', size: 2 });
    await turn();
    assert.deepEqual(auditor.kinds(), ['ready']);
    await app.close();
  });
});

test('nobody takes the event streams of all others, and an ended one is free again', async () => {
  const fakes = createFakes({ maxEventStreams: 10, maxEventStreamsOfOne: 2 });
  const api = createApi(fakes.deps);
  const { url } = await api.listen({ host: '127.0.0.1', port: 0 });
  const open = async (who: string) => {
    const stop = new AbortController();
    const { status } = await fetch(`${url}/v1/events`, { headers: { authorization: `Bearer ${who}` }, signal: stop.signal });
    return { status, stop: () => stop.abort() };
  };
  const first = await open('stranger');
  const statuses = [first.status];
  for (const who of ['stranger', 'stranger', 'officer']) statuses.push((await open(who)).status);
  assert.deepEqual(statuses, [200, 200, 429, 200]);
  first.stop();
  let again = 429;
  for (let tries = 0; again === 429 && tries < 200; tries += 1) again = (await open('stranger')).status;
  assert.equal(again, 200);
  await api.close();
});

describe('event broker', () => {
  function setUp(maxKept: number) {
    const { deps } = createFakes();
    const sent: { readonly event: string; readonly data: unknown; readonly id: string }[] = [];
    const stream: EventStream = {
      send: (event, data, id) => void sent.push({ event, data, id }),
      onClose: () => undefined,
      isOpen: () => true,
      close: () => undefined,
    };
    let startId = '';
    const streams = {
      open: (_request: unknown, _reply: unknown, start: { readonly id: string }) => {
        startId = start.id;
        return stream;
      },
    } as unknown as EventStreams;
    const broker = new EventBroker({ ...deps, streams, maxKept });
    const open = (last?: string): void => {
      const request = { viewer: { principal: person('auditor') } as Viewer, headers: last === undefined ? {} : { 'last-event-id': last } };
      broker.open(request as unknown as Parameters<EventBroker['open']>[0], null as never, null);
    };
    const publish = (thing: string): void => broker.publish('log', thing, async () => () => ({ thing }));
    return {
      broker,
      sent,
      open,
      publish,
      startId: () => startId,
      things: () => sent.map(({ data }) => (data as { thing?: string }).thing),
    };
  }

  test('a gap larger than what is kept is a reset; the newest change of a thing is all that is kept of it', async () => {
    const { sent, open, publish, startId, things } = setUp(2);
    open();
    const began = startId();
    for (let n = 0; n < 10; n += 1) publish('same');
    publish('other');
    sent.length = 0;
    open(began);
    await turn();
    assert.deepEqual(new Set(things()), new Set(['same', 'other']));
    publish('third');
    await turn();
    sent.length = 0;
    open(began);
    await turn();
    assert.deepEqual(
      sent.map(({ event }) => event),
      ['reset'],
    );
  });

  test('what cannot be read now is a reset, not silence', async () => {
    const { broker, sent, open, publish } = setUp(10);
    open();
    await turn();
    broker.publish('log', 'broken', async () => Promise.reject(new Error('store')));
    publish('fine');
    await turn();
    assert.deepEqual(
      sent.map(({ event }) => event),
      ['reset', 'log'],
    );
  });

  test('ids tell nothing of their number', () => {
    const ids = new EventIds();
    const [one, two] = [ids.encode(1), ids.encode(2)];
    assert.equal(ids.decode(one), 1);
    assert.notEqual(one.slice(0, 8), two.slice(0, 8));
    for (const odd of ['', 'x', `${one}A`, two.slice(1)]) assert.equal(ids.decode(odd), null);
    assert.equal(new EventIds().decode(one), null);
  });
});
