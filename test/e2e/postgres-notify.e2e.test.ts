// LISTEN and NOTIFY: a payload is text of another session, from any table. It passes where nothing is masked, in the place
// where the database put it; where anything is masked LISTEN is refused, and what still comes is dropped.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { parseFields, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { ByteReader } from '../../src/wire/byte-reader.ts';
import type { Frame } from '../../src/wire/framer.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, bind, execute, shape, sync } from '../support/raw-postgres.ts';

let gated: GatedPostgres;

before(async () => {
  gated = await startGatedPostgres({
    setup: "CREATE TABLE patient (id int PRIMARY KEY, ssn text); INSERT INTO patient VALUES (1, '970-11-1111');",
    policy: { version: '1', classRules: [{ class: 'phi.ssn', pattern: 'public.patient.ssn' }], safeFunctions: new Set() },
  });
});
after(() => gated?.stop());
beforeEach(() => gated.gate.setMasks('clear', { 'phi.ssn': 'clear' }));

const masked = (): void => gated.gate.setMasks('masked', { 'phi.ssn': 'redact' });
const open = (): Promise<RawPostgres> => RawPostgres.logIn(gated.port, token);
const answer = async (client: RawPostgres, text: string): Promise<Frame[]> => {
  client.send(queryMessage(text));
  return client.until('Z');
};
const ask = async (client: RawPostgres, text: string): Promise<string> => shape(await answer(client, text));

/** Channel and payload of each notification among `frames`. */
const heard = (frames: readonly Frame[]): [string, string][] =>
  frames
    .filter(({ type }) => type === 'A'.charCodeAt(0))
    .map(({ body }) => {
      const reader = new ByteReader(body);
      reader.int32();
      return [reader.cString(), reader.cString()];
    });

test('where nothing is masked a notification reaches an idle client', async () => {
  const client = await open();
  assert.equal(await ask(client, 'LISTEN chatter'), 'C Z:I');
  await gated.direct.query("NOTIFY chatter, 'one'; NOTIFY other, 'not asked for'");
  assert.deepEqual(heard(await client.until('A')), [['chatter', 'one']]);
  assert.equal(await ask(client, 'UNLISTEN chatter'), 'C Z:I');
  await gated.direct.query("NOTIFY chatter, 'two'");
  assert.equal(await ask(client, 'SELECT 1'), 'T D C Z:I');
  client.socket.destroy();
});

test('a notification comes where the database puts it: behind the statement, before ReadyForQuery, never inside a block', async () => {
  const client = await open();
  await ask(client, 'LISTEN chatter');
  const own = await answer(client, "NOTIFY chatter, 'own'");
  assert.equal(shape(own), 'C A Z:I');
  assert.deepEqual(heard(own), [['chatter', 'own']]);
  await ask(client, 'BEGIN');
  await gated.direct.query("NOTIFY chatter, 'from outside'");
  assert.equal(await ask(client, "NOTIFY chatter, 'inside'"), 'C Z:T');
  const committed = await answer(client, 'COMMIT');
  assert.equal(shape(committed), 'C A A Z:I');
  assert.deepEqual(
    heard(committed).map(([, payload]) => payload),
    ['from outside', 'inside'],
  );
  client.send(parseMessage('', "NOTIFY chatter, 'extended'", []), bind('', ''), execute(''), sync());
  assert.equal(shape(await client.until('Z')), '1 2 C A Z:I');
  client.socket.destroy();
});

test('threat: while anything is masked LISTEN is refused, with why and what next, in every protocol', async () => {
  masked();
  const client = await open();
  const [refused] = await answer(client, 'LISTEN chatter');
  const fields = parseFields(refused?.body ?? new Uint8Array());
  assert.equal(fields.get('C'), '42501');
  assert.match(fields.get('M') ?? '', /LISTEN while anything is masked: payloads are text that no mask covers$/);
  assert.match(fields.get('H') ?? '', /^Ask a table for what has changed instead/);
  assert.equal(await ask(client, 'BEGIN; LISTEN chatter'), 'E:42501 Z:I');
  client.send(parseMessage('', 'LISTEN chatter', []), bind('', ''), execute(''), sync());
  assert.equal(shape(await client.until('Z')), 'E:42501 Z:I');
  await gated.direct.query("NOTIFY chatter, '970-11-1111'");
  assert.equal(await ask(client, 'SELECT 1'), 'T D C Z:I');
  client.socket.destroy();
});

test('threat: a session that listened before something was masked hears nothing from then on', async () => {
  const client = await open();
  await ask(client, 'LISTEN chatter');
  masked();
  await gated.direct.query("NOTIFY chatter, '970-11-1111'");
  assert.equal(await ask(client, 'SELECT 1'), 'T D C Z:I');
  await gated.direct.query("NOTIFY chatter, '970-22-2222'");
  assert.equal(await ask(client, 'SELECT 2'), 'T D C Z:I');
  client.socket.destroy();
});
