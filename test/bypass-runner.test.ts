// The runner of the bypass corpus against a server that answers as told, late or never: a missing answer must neither pass
// for a refusal nor for a difference.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Case } from './bypass/cases.ts';
import { cString, frame, int16, int32 } from './bypass/frontend.ts';
import { Runner, type World } from './bypass/run.ts';

type Say = (database: string, text: string, time: number) => 'answer' | 'other answer' | 'refuse' | 'nothing';

const ready = frame('Z', Buffer.from('I'));
const loggedIn = Buffer.concat([frame('R', int32(0)), ready]);
const refusal = frame('E', Buffer.from('C'), cString('42501'), Buffer.from('M'), cString('refused'), Buffer.from([0]));
const row = (value: string): Buffer => frame('D', int16(1), int32(value.length), Buffer.from(value));
const answers = {
  answer: Buffer.concat([row('***'), frame('C', cString('SELECT 1')), ready]),
  'other answer': Buffer.concat([row('970-78-9909'), frame('C', cString('SELECT 1')), ready]),
  refuse: Buffer.concat([refusal, ready]),
  nothing: Buffer.alloc(0),
};

// At the same time: each waits, and none does anything else.
describe('the runner of the corpus', { concurrency: true }, () => {
  let server: Server;
  let runner: Runner;
  /** What is said to statements with this number in their text; to 0 nothing. */
  const told: Say[] = [() => 'nothing'];
  /** How often each statement came to each database. */
  const times = new Map<string, number>();

  function answerOf(database: string, text: string): Buffer {
    const key = `${database}: ${text}`;
    times.set(key, (times.get(key) ?? 0) + 1);
    const say = told[Number(/\d+/.exec(text))];
    return answers[say?.(database, text, times.get(key) ?? 0) ?? 'nothing'];
  }

  function serve(socket: Socket): void {
    let database = '';
    let bytes = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (database === '' && bytes.length >= 4 && bytes.length >= bytes.readInt32BE(0)) {
        const words = bytes.toString('utf8', 8, bytes.readInt32BE(0)).split('\0');
        database = words[words.indexOf('database') + 1] ?? '';
        bytes = bytes.subarray(bytes.readInt32BE(0));
        socket.write(loggedIn);
      }
      if (database === '') return;
      while (bytes.length >= 5 && bytes.length > bytes.readInt32BE(1)) {
        const end = 1 + bytes.readInt32BE(1);
        if (bytes[0] === 0x51) socket.write(answerOf(database, bytes.toString('utf8', 5, end - 1)));
        bytes = bytes.subarray(end);
      }
    });
  }

  before(async () => {
    server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const world = (name: string): World => {
      const at = (database: string) => ({ host: '127.0.0.1', port, database });
      const gate = at(`${name} gate`);
      return { direct: at(name), gateway: { app: gate, postgres: gate, keeping: gate } };
    };
    const worlds = { first: world('first'), twin: world('twin'), alike: world('alike'), serverVersionNum: 180_000, token: 't' };
    // 200 ms for a statement, then 800.
    runner = new Runner({ ...worlds, superuser: { user: 'postgres', password: 'p' } }, [0.025, 0.1]);
  });
  after(() => server.close());

  function caseOf(say: Say, change: Partial<Case> = {}): Case {
    const id = String(told.push(say) - 1);
    const own: Case = {
      id,
      category: 'x',
      title: 'x',
      sql: [`SELECT ${id}`],
      expect: 'masked',
      accept: ['masked'],
      secretMustNotAppear: [],
    };
    return { ...own, ...change };
  }
  const asked = ({ sql }: Case, database: string): number | undefined => times.get(`${database}: ${String(sql[0])}`);

  it('passes what looks the same in both worlds, and tells a difference', async () => {
    assert.equal((await runner.run(caseOf(() => 'answer'))).verdict, 'PASS');
    const { verdict, why } = await runner.run(caseOf((database) => (database === 'twin gate' ? 'other answer' : 'answer')));
    assert.equal(verdict, 'FAIL');
    assert.match(why, /^TWIN /);
  });

  for (const silent of ['first gate', 'twin gate']) {
    it(`asks once more when ${silent} does not answer in time`, async () => {
      const each = caseOf((database, _, time) => (database === silent && time === 1 ? 'nothing' : 'answer'));
      assert.equal((await runner.run(each)).verdict, 'PASS');
      assert.equal(asked(each, silent), 2);
    });

    it(`takes it for an error of its own, not for a pair, when ${silent} never answers`, async () => {
      const each = caseOf((database) => (database === silent ? 'nothing' : 'answer'));
      const { verdict, outcome, why } = await runner.run(each);
      assert.deepEqual([verdict, outcome, asked(each, silent)], ['ERROR', null, 2]);
      assert.match(why, new RegExp(`no answer from ${silent} `));
    });
  }

  it('still tells the difference that comes with a late answer', async () => {
    const late: Say = (database, _, time) => (database !== 'twin gate' ? 'answer' : time === 1 ? 'nothing' : 'other answer');
    assert.match((await runner.run(caseOf(late))).why, /^TWIN /);
  });

  it('does not take silence on both sides for a refusal', async () => {
    const refused: Partial<Case> = { expect: 'refused', accept: ['refused'], mustRefuse: true };
    assert.equal((await runner.run(caseOf(() => 'refuse', refused))).verdict, 'PASS');
    assert.equal((await runner.run(caseOf((database) => (database.endsWith('gate') ? 'nothing' : 'answer'), refused))).verdict, 'ERROR');
  });

  it('does not take a silent control for a pair', async () => {
    const control = ['SELECT 0'];
    assert.equal((await runner.run(caseOf(() => 'answer', { control }))).verdict, 'ERROR');
  });

  it('does not take a silent bare server for lost usability', async () => {
    const each = caseOf((database) => (database === 'first' ? 'nothing' : 'answer'), { expect: 'clean' });
    assert.deepEqual([(await runner.run(each)).verdict, asked(each, 'first')], ['ERROR', 2]);
  });

  it('does not prove a case by silence', async () => {
    await assert.rejects(
      runner.prove(caseOf((database) => (database === 'twin' ? 'nothing' : 'answer'), { raw: { check: 'twin' } })),
      /no answer from twin /,
    );
  });

  for (const setup of ['CREATE TABLE t0 ()', '@side LOCK TABLE t0']) {
    it(`does not go on when ${setup} has no answer`, async () => {
      const { verdict, why } = await runner.run(caseOf(() => 'answer', { setup: [setup] }));
      assert.equal(verdict, 'ERROR');
      assert.match(why, /set-up had no answer: /);
    });
  }

  it('does not go on with half of the secrets', async () => {
    await assert.rejects(runner.readSecrets({ protected: { t0: ['c'] }, safeFunctions: [] }), /set-up had no answer: SELECT DISTINCT c/);
  });
});
