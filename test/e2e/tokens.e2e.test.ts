// Tokens through the adapter, with a real client and a real PostgreSQL: whoever was given a token can look up, join and write
// with it, and never sees the value. Constants, text and binary parameters, prepared statements, COPY; indexes are used; and
// what is no token of the class is refused.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { message, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { type GatedPostgres, startGatedPostgres, token as password } from '../support/gated-postgres.ts';
import { bind, execute, RawPostgres, rows as rowsOf, shape, sync } from '../support/raw-postgres.ts';
import { rotatedTokens, testTokens } from '../support/tokens.ts';

const setup = `
  CREATE EXTENSION IF NOT EXISTS citext;
  CREATE TABLE patients (id int PRIMARY KEY, mrn text NOT NULL UNIQUE, ward text, born date);
  INSERT INTO patients SELECT i, 'M-' || i, 'w' || i % 5, '1950-01-01'::date + i FROM generate_series(1, 5000) i;
  CREATE TABLE visits (id int PRIMARY KEY, mrn varchar(40) NOT NULL, kind text);
  INSERT INTO visits SELECT i, 'M-' || (1 + i % 5000), 'k' || i % 3 FROM generate_series(1, 10000) i;
  CREATE INDEX visits_mrn ON visits (mrn);
  CREATE TABLE referrals (id int PRIMARY KEY, mrn text REFERENCES patients (mrn), note text);
  CREATE TABLE watch (mrn text PRIMARY KEY, hits int NOT NULL DEFAULT 1);
  CREATE TABLE narrow (id int PRIMARY KEY, mrn varchar(4));
  CREATE TABLE checked (id int PRIMARY KEY, mrn text CHECK (mrn LIKE 'M-1%'));
  CREATE TABLE fixed (id int PRIMARY KEY, mrn char(12));
  CREATE TABLE folded (id int PRIMARY KEY, mrn citext);
  INSERT INTO fixed VALUES (1, 'M-7'), (2, 'M-8');
  INSERT INTO folded VALUES (1, 'm-7'), (2, 'M-7');
  CREATE TABLE devices (id int PRIMARY KEY, ref uuid, tags text[]);
  INSERT INTO devices VALUES (1, '1c1137a6-4de7-4d03-8503-1cc65645c0e6', '{M-7,x}');
  CREATE TABLE people (id int PRIMARY KEY, ssn text NOT NULL UNIQUE, ward text);
  INSERT INTO people SELECT i, '970-0' || i, 'p' FROM generate_series(1, 5000) i;
  CREATE TABLE cards (id int PRIMARY KEY, card text, backup varchar(30) CHECK (backup <> 'x'), ref uuid, tags text[]);
  CREATE TABLE subjects (id int PRIMARY KEY, code int);
  INSERT INTO subjects VALUES (2), (7);
  CREATE TABLE stays (id int PRIMARY KEY, patient int DEFAULT 2 REFERENCES subjects ON UPDATE CASCADE ON DELETE SET DEFAULT, came date, seen timestamptz DEFAULT now(), digest text);
  INSERT INTO stays VALUES (1, 7, '2020-01-01', '2020-01-01', 'd');
  CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE caseless (id int PRIMARY KEY, mrn text COLLATE nocase UNIQUE);
  INSERT INTO caseless VALUES (1, 'm-7');
  CREATE TABLE aliases (id int PRIMARY KEY, mrn text COLLATE nocase REFERENCES caseless (mrn));
  CREATE TABLE notes (id int PRIMARY KEY, body text);
  CREATE VIEW roster AS SELECT id AS pid, mrn AS number FROM patients;
  ANALYZE;`;

const mrn = ['patients', 'visits', 'referrals', 'watch', 'narrow', 'checked', 'fixed', 'folded', 'caseless', 'aliases'].map((table) => ({
  class: 'phi.mrn',
  pattern: `public.${table}.mrn`,
}));
const policy = {
  version: '1',
  classRules: [
    ...mrn,
    { class: 'phi.ref', pattern: 'public.devices.ref' },
    { class: 'phi.ref', pattern: 'public.devices.tags' },
    { class: 'phi.ssn', pattern: 'public.people.ssn', lookup: true as const },
    ...['card', 'backup', 'ref', 'tags'].map((name) => ({ class: 'phi.card', pattern: `public.cards.${name}`, lookup: true as const })),
    { class: 'phi.date', pattern: 'public.stays.came' },
    { class: 'phi.date', pattern: 'public.stays.seen' },
    { class: 'phi.digest', pattern: 'public.stays.digest' },
  ],
  safeFunctions: new Set<string>(),
  subjectOf: (className: string) => (className === 'phi.date' ? 'patient' : undefined),
};
const token = (value: string): string => testTokens.issue('phi.mrn', value);

describe('tokens in later statements', () => {
  let gated: GatedPostgres;
  let client: pg.Client;
  const notices: string[] = [];

  before(async () => {
    gated = await startGatedPostgres({ setup, policy });
    gated.gate.setMasks('tokens', {
      'phi.mrn': 'token',
      'phi.ref': 'token',
      'phi.ssn': 'token',
      'phi.card': 'token',
      'phi.date': 'date-shift',
      'phi.digest': 'hash',
    });
    client = gated.client();
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    await client.connect();
  });
  after(async () => {
    await client?.end().catch(() => undefined);
    await gated?.stop();
  });

  const rows = async (text: string, values: readonly unknown[] = [], over = client): Promise<unknown[]> =>
    (await over.query({ text, values: [...values], rowMode: 'array' })).rows;
  const stored = async (text: string): Promise<unknown[]> => (await gated.direct.query({ text, rowMode: 'array' })).rows;
  const refusal = async (text: string, values: readonly unknown[] = [], over = client): Promise<string> => {
    const fault: unknown = await over.query(text, [...values]).then(
      () => assert.fail(`not refused: ${text}`),
      (error: unknown) => error,
    );
    assert.ok(fault instanceof pg.DatabaseError, `${text}: ${String(fault)}`);
    return `${fault.code} ${fault.message}`;
  };
  const explained = async (text: string, values: readonly unknown[] = []): Promise<string> =>
    (await rows(`EXPLAIN ${text}`, values)).join('\n');

  it('are shown, and find their rows as constants and parameters, in text and in binary', async () => {
    assert.deepEqual(await rows('SELECT mrn FROM patients WHERE id = 7'), [[token('M-7')]]);
    assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn = '${token('M-7')}'`), [[7]]);
    assert.deepEqual(await rows(`SELECT id FROM patients p WHERE '${token('M-7')}'::text = p.mrn`), [[7]]);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = $1', [token('M-7')]), [[7]]);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = $1', [Buffer.from(token('M-7'))]), [[7]]);
    assert.deepEqual(await rows('SELECT pid FROM roster WHERE number = $1', [token('M-7')]), [[7]]);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn IN ($1, $2) ORDER BY id', [token('M-7'), token('M-9')]), [[7], [9]]);
    assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn IN ('${token('M-7')}', 'x') ORDER BY id`), [[7]]);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = ANY($1) ORDER BY id', [[token('M-7'), null, token('M-9'), 'x']]), [
      [7],
      [9],
    ]);
    assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn = ANY(ARRAY['${token('M-7')}', '${token('M-9')}']) ORDER BY 1`), [
      [7],
      [9],
    ]);
    assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn = ANY('{${token('M-7')}}')`), [[7]]);
    assert.deepEqual(await rows(`SELECT count(*) FROM patients WHERE mrn <> '${token('M-7')}'`), [['4999']]);
    assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn = '${token('M-7')}' OR id = 8 ORDER BY id`), [[7], [8]]);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = $1', ['M-7']), []);
    assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = $1', [null]), []);
    assert.deepEqual(await rows(`SELECT id FROM fixed WHERE mrn = '${token('M-7')}'`), [[1]]);
    assert.deepEqual(await rows('SELECT id FROM fixed WHERE mrn = $1', [token('M-7')]), [[1]]);
    // Equal without case, but of other tokens: the comparison with tokens decides.
    assert.deepEqual(await rows(`SELECT id FROM folded WHERE mrn = '${token('M-7')}'`), [[2]]);
    assert.deepEqual(await rows('SELECT id FROM folded WHERE mrn = $1', [token('m-7')]), [[1]]);
  });

  it('join and group, also over tables and with a condition on a side', async () => {
    assert.deepEqual(await rows(`SELECT count(*) FROM patients p JOIN visits v ON v.mrn = p.mrn WHERE p.mrn = '${token('M-7')}'`), [['2']]);
    assert.deepEqual(
      await rows(
        'SELECT p.id, count(v.id) FROM patients p LEFT JOIN visits v ON v.mrn = p.mrn AND v.mrn = $1 WHERE p.id IN (7, 8) GROUP BY 1 ORDER BY 1',
        [token('M-7')],
      ),
      [
        [7, '2'],
        [8, '0'],
      ],
    );
    assert.deepEqual(
      await rows('SELECT (SELECT count(*) FROM visits v WHERE v.mrn = p.mrn AND v.mrn = $1) FROM patients p WHERE p.id = 7', [
        token('M-7'),
      ]),
      [['2']],
    );
    assert.deepEqual(await rows("SELECT mrn, $1 FROM patients WHERE mrn = $1 AND ward = 'w2'", [token('M-7')]), [
      [token('M-7'), token('M-7')],
    ]);
  });

  it('use the index of the stored column', async () => {
    assert.match(await explained(`SELECT id FROM patients WHERE mrn = '${token('M-7')}'`), /patients_mrn_key/);
    assert.match(await explained(`SELECT id FROM visits WHERE mrn IN ('${token('M-7')}', '${token('M-9')}')`), /visits_mrn/);
    assert.match(await explained(`DELETE FROM visits WHERE mrn = '${token('M-7')}'`), /visits_mrn/);
    assert.match(await explained(`SELECT v.id FROM patients p JOIN visits v ON v.mrn = '${token('M-7')}' AND p.id = 3`), /visits_mrn/);
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      await client.query(`SET plan_cache_mode = ${mode}`);
      await client.query('PREPARE by_mrn AS SELECT id FROM patients WHERE mrn = $1');
      assert.match(await explained(`EXECUTE by_mrn('${token('M-7')}')`), /patients_mrn_key/, mode);
      assert.deepEqual(await rows(`EXECUTE by_mrn('${token('M-7')}')`), [[7]]);
      await client.query('DEALLOCATE by_mrn');
      await client.query('PREPARE by_list AS SELECT id FROM visits WHERE mrn = ANY($1)');
      assert.match(await explained(`EXECUTE by_list('{${token('M-7')}}')`), /visits_mrn/, mode);
      await client.query('DEALLOCATE by_list');
    }
    await client.query('RESET plan_cache_mode');
  });

  it('write the values they stand for', async () => {
    assert.deepEqual(
      await rows(`INSERT INTO visits VALUES (20001, '${token('M-11')}', 'new'), (20002, $1, 'new'), (20003, $2, 'new') RETURNING id`, [
        token('M-12'),
        token('M-16'),
      ]),
      [[20001], [20002], [20003]],
    );
    await rows('INSERT INTO visits (kind, mrn, id) VALUES ($1, $2, $3)', ['new', Buffer.from(token('M-13')), 20004]);
    await rows(`INSERT INTO visits (id, mrn, kind) SELECT 20006, '${token('M-14')}', ward FROM patients WHERE id = 3`);
    await rows('INSERT INTO visits (id, mrn, kind) SELECT 20007, $1, ward FROM patients WHERE id = 3', [token('M-15')]);
    assert.deepEqual(await stored('SELECT id, mrn FROM visits WHERE id > 20000 ORDER BY id'), [
      [20001, 'M-11'],
      [20002, 'M-12'],
      [20003, 'M-16'],
      [20004, 'M-13'],
      [20006, 'M-14'],
      [20007, 'M-15'],
    ]);
    assert.equal(
      (await client.query('UPDATE visits SET mrn = $1 WHERE mrn = $2 AND kind = $3', [token('M-21'), token('M-11'), 'new'])).rowCount,
      1,
    );
    assert.equal((await client.query(`UPDATE visits SET (kind, mrn) = ('moved', '${token('M-22')}') WHERE id = 20002`)).rowCount, 1);
    assert.equal((await client.query(`DELETE FROM visits WHERE mrn IN ('${token('M-13')}') AND id > 20000`)).rowCount, 1);
    assert.equal(
      (await client.query('DELETE FROM visits WHERE mrn = ANY($1) AND id > 20000', [[token('M-14'), token('M-15')]])).rowCount,
      2,
    );
    assert.deepEqual(await stored('SELECT id, mrn FROM visits WHERE id > 20000 ORDER BY id'), [
      [20001, 'M-21'],
      [20002, 'M-22'],
      [20003, 'M-16'],
    ]);
    await rows('INSERT INTO notes VALUES (1, $1)', [token('M-1')]);
    assert.deepEqual(await stored('SELECT body FROM notes'), [[token('M-1')]]);
  });

  it('write where keys and foreign keys are asked, and nothing but tokens may ask', async () => {
    await rows('INSERT INTO referrals VALUES ($1, $2)', [1, token('M-7')]);
    await rows(`INSERT INTO watch (mrn) VALUES ('${token('M-7')}') ON CONFLICT (mrn) DO UPDATE SET hits = watch.hits + 1`);
    await rows('INSERT INTO watch (mrn) VALUES ($1) ON CONFLICT (mrn) DO UPDATE SET hits = watch.hits + 1', [token('M-7')]);
    assert.deepEqual(await stored('SELECT * FROM watch'), [['M-7', 2]]);
    assert.match(
      await refusal('INSERT INTO referrals VALUES (2, $1)', ['M-7']),
      /^22023 sallyport: refused: public\.referrals\.mrn: a value that is no token$/,
    );
    assert.match(await refusal("INSERT INTO referrals VALUES (2, 'M-7')"), /^42501 .*would answer a guess/);
    assert.match(await refusal('INSERT INTO watch (mrn) VALUES ($1)', ['M-8']), /^22023/);
    assert.match(await refusal(`INSERT INTO referrals VALUES (3, '${token('M-unknown')}')`), /^23503 /);
    assert.match(await refusal(`INSERT INTO watch (mrn) VALUES ('${token('M-7')}')`), /^23505 (?!.*M-7)/);
    await rows('INSERT INTO referrals VALUES ($1, $2)', [4, null]);
  });

  it('are not compared by a key that takes other texts for equal', async () => {
    for (const text of [
      `INSERT INTO caseless VALUES (2, '${token('M-7')}')`,
      `INSERT INTO caseless VALUES (2, '${token('M-8')}') ON CONFLICT (mrn) DO NOTHING`,
      `UPDATE caseless SET mrn = '${token('M-7')}' WHERE id = 1`,
      `INSERT INTO aliases VALUES (1, '${token('M-7')}')`,
    ]) {
      assert.match(await refusal(text), /^42501 .*a masked column with a unique key is written$/, text);
    }
  });

  it('are not sorted by what they stand for', async () => {
    const [small, large] = [token('M-1'), token('M-2')];
    for (const rest of ['ORDER BY column2', 'ORDER BY 2 DESC LIMIT 1', 'ORDER BY column1, column2']) {
      assert.match(await refusal(`INSERT INTO visits (id, mrn) VALUES (50001, '${large}'), (50002, '${small}') ${rest}`), /^42501 /, rest);
      assert.match(await refusal(`INSERT INTO visits (id, mrn) VALUES (50001, $1), (50002, $2) ${rest}`, [large, small]), /^42501 /, rest);
    }
    const first = `INSERT INTO visits (id, mrn) VALUES (50001, '${large}'), (50002, '${small}') LIMIT 1 RETURNING id`;
    assert.deepEqual(await rows(first), [[50001]]);
    await rows('DELETE FROM visits WHERE id = 50001');
  });

  it('do not write where something about the column could tell of the value', async () => {
    for (const text of [
      `INSERT INTO narrow VALUES (1, '${token('M-7')}')`,
      `INSERT INTO narrow VALUES (1, '${token('M-'.padEnd(30, '7'))}')`,
      `INSERT INTO checked VALUES (1, '${token('M-7')}')`,
      `UPDATE checked SET mrn = '${token('M-7')}' WHERE id = 1`,
      `INSERT INTO visits SELECT 1, lower('${token('M-7')}')`,
      `INSERT INTO visits SELECT 1, v.a FROM (VALUES ('${token('M-7')}')) v(a)`,
      `UPDATE visits SET mrn = v.a FROM (VALUES ('${token('M-7')}')) v(a) WHERE visits.id = 1`,
      `INSERT INTO devices (id, tags) VALUES (3, '{${testTokens.issue('phi.ref', 'M-7')}}')`,
      "INSERT INTO devices (id, ref) VALUES (3, '1c1137a6-4de7-8d03-8503-1cc65645c0e6')",
    ]) {
      assert.match(await refusal(text), /^22023 .*token|^42501 .*would answer a guess/, text);
    }
    for (const [text, value] of [
      ['INSERT INTO visits VALUES (9, $1)', token('M-'.padEnd(45, '7'))],
      ['INSERT INTO narrow VALUES (9, $1)', token('M-7')],
      ['INSERT INTO checked VALUES (1, $1)', token('M-7')],
      ['INSERT INTO visits SELECT 1, lower($1)', token('M-7')],
      ['INSERT INTO visits SELECT 1, v.a FROM unnest($1::text[]) v(a)', [token('M-7')]],
      ['INSERT INTO devices (id, tags) VALUES (3, $1)', [testTokens.issue('phi.ref', 'M-7')]],
      ['INSERT INTO devices (id, ref) VALUES (3, $1)', '1c1137a6-4de7-8d03-8503-1cc65645c0e6'],
    ] as const) {
      assert.match(await refusal(text, [value]), /^22023 .*token|^42501 .*would answer a guess/, text);
    }
    assert.deepEqual(await stored('SELECT count(*) FROM narrow'), [['0']]);
  });

  it('are the only values for a column of tokens: the token of a guess would answer it', async () => {
    for (const text of [
      "INSERT INTO visits VALUES (9, 'M-7')",
      "INSERT INTO visits SELECT 9, upper('m-7')",
      "INSERT INTO visits SELECT 9, v.a FROM (VALUES ('M-7')) v(a)",
      'INSERT INTO visits (id, mrn) SELECT 9, ward FROM patients LIMIT 1',
      "UPDATE visits SET mrn = 'M-7' WHERE id = 1",
      'UPDATE visits SET mrn = kind WHERE id = 1',
      "UPDATE visits SET (kind, mrn) = ('k', 'M-7') WHERE id = 1",
      "INSERT INTO visits (id, mrn) VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET mrn = 'M-7'",
      "MERGE INTO visits v USING notes n ON n.id = v.id WHEN NOT MATCHED THEN INSERT (id, mrn) VALUES (9, 'M-7')",
      "MERGE INTO visits v USING notes n ON n.id = v.id WHEN MATCHED THEN UPDATE SET mrn = 'M-7'",
      'COPY visits FROM STDIN',
      "INSERT INTO devices (id, ref) VALUES (9, '1c1137a6-4de7-4d03-8503-1cc65645c0e6')",
      "INSERT INTO checked VALUES (9, 'M-1')",
      "UPDATE stays SET digest = 'guess' WHERE id = 1",
      "UPDATE stays SET came = '2020-01-01' WHERE id = 1",
      'UPDATE stays SET seen = DEFAULT WHERE id = 1',
      'UPDATE stays SET patient = 8 WHERE id = 1',
      'INSERT INTO stays (id, patient) VALUES (9, 7)',
      "INSERT INTO stays (id, patient, came, seen) VALUES (9, 7, '2020-01-01', NULL)",
      'INSERT INTO stays DEFAULT VALUES',
      'COPY stays (id, patient, came, seen) FROM STDIN',
    ]) {
      assert.match(await refusal(text), /^42501 .*would answer a guess/, text);
    }
    for (const [text, value] of [
      ['INSERT INTO visits VALUES (9, $1)', 'M-7'],
      ['UPDATE visits SET mrn = $1 WHERE id = 1', 'M-7'],
      ['INSERT INTO visits VALUES (9, $1)', ''],
    ] as const) {
      assert.match(await refusal(text, [value]), /^22023 sallyport: refused: public\.visits\.mrn: a value that is no token$/, text);
    }
    assert.match(await refusal('INSERT INTO checked VALUES (9, $1)', ['M-1']), /^42501/);
    // Under another subject the same date would be shown otherwise.
    for (const text of [
      'UPDATE stays SET patient = 2 WHERE id = 1',
      'UPDATE subjects SET id = 8 WHERE id = 7',
      'DELETE FROM subjects WHERE id = 7',
      'WITH gone AS (DELETE FROM subjects WHERE id = 7 RETURNING id) SELECT * FROM gone',
      'MERGE INTO subjects s USING notes n ON s.id = n.id WHEN MATCHED THEN DELETE',
    ]) {
      assert.match(await refusal(text), /^42501 .*public\.stays\.came: what it is shown as would answer a guess$/, text);
    }
    await rows('UPDATE subjects SET code = 1 WHERE id = 7');
    await rows('INSERT INTO stays (id, patient, came, seen) VALUES ($1, 7, NULL, NULL)', [2]);
    await rows('INSERT INTO devices (id) VALUES (2)');
    assert.deepEqual(await stored('SELECT mrn FROM visits WHERE id IN (1, 9) ORDER BY id'), [['M-2'], ['M-10']]);
  });

  it('stand beside plain values where policy allows look-ups', async () => {
    const mine = testTokens.issue('phi.card', 'C-1');
    await rows('INSERT INTO cards (id, card) VALUES (1, $1), (2, $2)', ['C-1', mine]);
    await rows(`INSERT INTO cards (id, card) VALUES (3, 'C-1'), (4, '${mine}'), (5, upper('c-1'))`);
    await rows('INSERT INTO cards (id, card) SELECT 6, upper($1)', ['c-1']);
    await rows("INSERT INTO cards (id, backup, ref, tags) VALUES (7, 'plain', $1, $2)", ['1c1137a6-4de7-4d03-8503-1cc65645c0e6', ['a']]);
    assert.deepEqual(await stored('SELECT DISTINCT card FROM cards WHERE id < 7'), [['C-1']]);
    assert.match(
      await refusal(`INSERT INTO cards (id, backup) VALUES (8, '${mine}')`),
      /^22023 .*backup: a token would be stored as it is/,
    );
    assert.match(
      await refusal('INSERT INTO cards (id, backup) VALUES (8, $1)', [mine]),
      /^22023 .*backup: a token would be stored as it is/,
    );
    assert.match(await refusal('INSERT INTO cards (id, card) SELECT 8, upper($1)', [mine]), /^22023 .*a token would be stored/);
    assert.match(await refusal('INSERT INTO cards (id, card) SELECT 8, v.a FROM unnest($1::text[]) v(a)', [[mine]]), /^22023 /);
    assert.match(await refusal(`UPDATE cards SET card = v.a FROM (VALUES ('${mine}')) v(a)`), /^22023 /);
    assert.match(await refusal('INSERT INTO cards (id, ref) VALUES (8, $1)', ['1c1137a6-4de7-8d03-8503-1cc65645c0e6']), /^22023 /);
    assert.match(await refusal("INSERT INTO cards (id, ref) VALUES (8, '1c1137a6-4de7-8d03-8503-1cc65645c0e6')"), /^22023 /);
    assert.match(await refusal('INSERT INTO cards (id, tags) VALUES (8, $1)', [[mine]]), /^22023 /);
    // Also when the same text with other elements was planned before.
    for (const tag of ['a', 'b', 'c']) await rows(`UPDATE cards SET tags = '{${tag}}' WHERE id = 7`);
    assert.match(await refusal(`UPDATE cards SET tags = '{${mine}}' WHERE id = 7`), /^22023 /);
  });

  it('are refused when they are forged, broken, or of another class, and the session goes on', async () => {
    const genuine = token('M-7');
    const forged = genuine.slice(0, -1) + (genuine.endsWith('0') ? '1' : '0');
    for (const bad of [
      forged,
      genuine.slice(0, -2),
      `${genuine}00`,
      genuine.toUpperCase().replace('TOK', 'tok'),
      testTokens.issue('phi.ref', 'M-7'),
      'tok_mrn_9_x',
    ]) {
      for (const text of [
        `SELECT 1 FROM patients WHERE mrn = '${bad}'`,
        `DELETE FROM visits WHERE mrn = '${bad}'`,
        `INSERT INTO visits VALUES (9, '${bad}')`,
      ]) {
        assert.match(await refusal(text), /^22023 sallyport: refused: a text that is no token of phi\.mrn$/, text);
      }
      for (const text of [
        'SELECT 1 FROM patients WHERE mrn = $1',
        'DELETE FROM visits WHERE mrn = $1',
        'UPDATE visits SET mrn = $1 WHERE id = 1',
        'SELECT 1 FROM patients WHERE id = 1 OR mrn = $1',
      ]) {
        assert.match(await refusal(text, [bad]), /^22023 sallyport: refused: a text that is no token of phi\.mrn$/, text);
        assert.match(await refusal(text, [Buffer.from(bad)]), /^22023 /, text);
      }
      assert.match(await refusal('SELECT 1 FROM patients WHERE mrn = ANY($1)', [[genuine, bad]]), /^22023 /);
    }
    await client.query('PREPARE p (text) AS SELECT id FROM patients WHERE mrn = $1');
    assert.match(await refusal(`EXECUTE p('${forged}')`), /^22023 /);
    assert.match(await refusal(`EXECUTE p('${genuine.slice(0, 9)}' || '${genuine.slice(9)}')`), /^22023 /);
    assert.match(await refusal(`EXECUTE p(lower('${forged}'))`), /^22023 /);
    assert.deepEqual(await rows(`EXECUTE p('${genuine}')`), [[7]]);
    await client.query('DEALLOCATE p');
    // Elsewhere it is a text like any other.
    assert.deepEqual(await rows(`SELECT '${forged}', $1::text`, [forged]), [[forged, forged]]);
    assert.deepEqual(await rows('SELECT count(*) FROM notes WHERE body = $1', [forged]), [['0']]);
    assert.deepEqual(gated.gate.asks.at(-1)?.outcome, 'permit');
    assert.ok(
      gated.gate.asks.some(
        ({ outcome, request }) => outcome === 'denied' && request.action === 'execute' && request.facts.unknowns[0]?.code === 'token',
      ),
    );
  });

  it('cannot be made by the target out of a bytea, whose text is another one than was checked', async () => {
    const genuine = token('M-7');
    // The stream of a known value turns the body into that of another one.
    const at = genuine.lastIndexOf('_') + 1 + 32;
    const last = Buffer.from(genuine.slice(at, at + 6), 'hex');
    last.writeUInt8(last.readUInt8(2) ^ 0x37 ^ 0x38, 2);
    const forged = genuine.slice(0, at) + last.toString('hex') + genuine.slice(at + 6);
    const disguised = `\\x${Buffer.from(forged).toString('hex')}`;
    await client.query("SET bytea_output = 'escape'");
    for (const [text, types] of [
      ['UPDATE visits SET kind = kind WHERE mrn = $1', [17]],
      ['DELETE FROM visits WHERE mrn = ANY($1)', [1001]],
      ['SELECT id FROM patients WHERE mrn = $1', [17]],
      ['INSERT INTO visits (id, mrn) VALUES (60001, $1)', [17]],
    ] as const) {
      const raw = await RawPostgres.logIn(gated.port, password);
      raw.send(queryMessage("SET bytea_output = 'escape'"));
      await raw.until('Z');
      raw.send(parseMessage('', text, types), bind('', '', [types[0] === 17 ? disguised : `{"\\${disguised}"}`]), execute(''), sync());
      assert.match(shape(await raw.until('Z')), /E:(42804|42846|22023)/, text);
      raw.socket.destroy();
    }
    assert.match(await refusal('PREPARE f (bytea) AS UPDATE visits SET kind = kind WHERE mrn = $1'), /^42804 /);
    const elsewhere = "UPDATE visits SET kind = kind FROM (SELECT ''::bytea AS mrn) x WHERE x.mrn = $1 AND visits.mrn = $1";
    assert.match(await refusal(elsewhere, [disguised]), /^42804 /);
    await client.query('RESET bytea_output');
  });

  it('keep the value out of plans, errors, notices, catalogues and what is recorded', async () => {
    const value = 'M-4711';
    const mine = token(value);
    const seen: string[] = [];
    const listen = (text: unknown): void => void seen.push(JSON.stringify(text) ?? '');
    for (const text of [
      `EXPLAIN (VERBOSE) SELECT * FROM patients WHERE mrn = '${mine}'`,
      `EXPLAIN ANALYZE SELECT id FROM patients WHERE mrn = '${mine}'`,
      `EXPLAIN (VERBOSE) UPDATE visits SET mrn = '${mine}' WHERE mrn = '${mine}'`,
      `EXPLAIN (VERBOSE) INSERT INTO visits VALUES (5, '${mine}')`,
      `PREPARE spied AS SELECT id FROM patients WHERE mrn = '${mine}'`,
      'SELECT name, statement FROM pg_prepared_statements',
      `SELECT query FROM pg_stat_activity`,
      'DEALLOCATE spied',
      `INSERT INTO visits VALUES (1, '${mine}')`,
      `INSERT INTO visits VALUES (40001, '${mine}') RETURNING id, kind`,
      `INSERT INTO visits VALUES (40002, '${mine}') RETURNING *`,
      `UPDATE visits SET mrn = '${mine}', id = NULL WHERE id = 40001`,
      `INSERT INTO visits (id, mrn, kind) VALUES (40003, '${mine}', 1/0)`,
      `SELECT id, 1/(id - 4711) FROM patients WHERE mrn = '${mine}'`,
      `SELECT mrn::int FROM patients WHERE mrn = '${mine}'`,
      `WITH x AS (UPDATE visits SET kind = 'z' WHERE mrn = '${mine}' RETURNING id) SELECT * FROM x`,
      `DECLARE c CURSOR FOR SELECT mrn FROM patients WHERE mrn = '${mine}'`,
    ]) {
      const before = notices.length;
      await client.query(text).then(
        (result) => listen((Array.isArray(result) ? result : [result]).map((each: pg.QueryResult) => each.rows)),
        (error: pg.DatabaseError) => listen({ ...error, message: error.message }),
      );
      listen(notices.slice(before));
    }
    for (const ask of gated.gate.asks) listen(ask.text);
    const all = seen.join('\n');
    assert.doesNotMatch(all, /M-4711/);
    assert.doesNotMatch(all, new RegExp(Buffer.from(value).toString('hex')));
    assert.ok(all.includes(mine));
  });

  it('are not copied in: the COPY fails, by both protocols, and the session goes on', async () => {
    const mine = testTokens.issue('phi.card', 'C-1');
    const copied = async (lines: readonly string[]): Promise<unknown> =>
      pipeline(Readable.from(lines), client.query(copyFrom('COPY cards (id, card) FROM STDIN'))).catch((fault: unknown) => fault);
    const many = Array.from({ length: 20_000 }, (_, index) => `${1000 + index}\tC-${index}\n`);
    const fault = await copied([...many, `5000000\t${mine}\n`, ...many]);
    assert.ok(fault instanceof pg.DatabaseError && fault.code === '22023', String(fault));
    assert.equal(fault.message, 'sallyport: refused: a token in the data of COPY');
    assert.deepEqual(await stored('SELECT count(*) FROM cards WHERE id >= 1000'), [['0']]);
    assert.equal(await copied(many.slice(0, 3)), undefined);
    assert.deepEqual(await stored('SELECT count(*) FROM cards WHERE id >= 1000'), [['3']]);

    const raw = await RawPostgres.logIn(gated.port, password);
    raw.send(parseMessage('', 'COPY cards (id, card) FROM STDIN', []), bind('', ''), execute(''), sync());
    await raw.until('G');
    const data = (text: string): Uint8Array => message('d', (body) => body.bytes(Buffer.from(text)));
    raw.send(data(`6000000\t${mine.slice(0, 20)}`), data(`${mine.slice(20)}\n`), data('6000001\tx\n'), message('c'), sync());
    const answer = await raw.until('Z');
    assert.equal(shape(answer), 'E:22023 Z:I');
    raw.send(queryMessage('SELECT count(*) FROM cards WHERE id >= 6000000'));
    assert.deepEqual(rowsOf(await raw.until('Z')), [['0']]);
    raw.socket.destroy();
  });

  it('may be looked up by value or by token where policy allows look-ups', async () => {
    const mine = testTokens.issue('phi.ssn', '970-077');
    for (const value of ['970-077', mine]) {
      assert.deepEqual(await rows('SELECT id FROM people WHERE ssn = $1', [value]), [[77]]);
      assert.deepEqual(await rows(`SELECT id FROM people WHERE ssn = '${value}'`), [[77]]);
      assert.equal((await client.query('UPDATE people SET ward = $2 WHERE ssn = $1', [value, 'q'])).rowCount, 1);
      assert.equal((await client.query(`UPDATE people SET ward = 'q' WHERE ssn = '${value}'`)).rowCount, 1);
      assert.match(await explained(`SELECT id FROM people WHERE ssn = '${value}'`), /people_ssn_key/);
    }
    assert.deepEqual(await rows('SELECT id FROM people WHERE ssn = $1', ['970-0x']), []);
    assert.match(await refusal('SELECT id FROM people WHERE ssn = $1', [token('M-7')]), /^22023 /);
  });

  it('leave the types of parameters as they are without the gateway', async () => {
    for (const text of [
      'SELECT 1 FROM patients WHERE mrn = $1',
      'SELECT 1 FROM visits WHERE mrn = $1',
      'SELECT 1 FROM visits WHERE mrn = ANY($1)',
      'SELECT 1 FROM visits WHERE mrn IN ($1, $2)',
      'SELECT 1 FROM fixed WHERE mrn = $1',
      'SELECT 1 FROM folded WHERE mrn = $1',
      'SELECT 1 FROM visits WHERE mrn IN ($1)',
      'SELECT 1 FROM fixed WHERE mrn IN ($1, $2)',
      'SELECT 1 FROM visits WHERE mrn = ANY(ARRAY[$1, $2])',
      'SELECT 1 FROM fixed WHERE mrn = ANY($1)',
      'INSERT INTO visits (id, mrn) VALUES ($1, $2), ($3, $4)',
      'DELETE FROM visits WHERE mrn IN ($1, $2)',
      'INSERT INTO visits (id, mrn) VALUES ($1, $2)',
      'INSERT INTO fixed (id, mrn) VALUES ($1, $2)',
      'INSERT INTO folded (id, mrn) VALUES ($1, $2)',
      'UPDATE visits SET mrn = $1 WHERE mrn = $2',
      'UPDATE fixed SET mrn = $1 WHERE mrn = $2',
    ]) {
      const types = 'SELECT parameter_types::text FROM pg_prepared_statements WHERE name = $1';
      await gated.direct.query(`PREPARE typed AS ${text}`);
      await client.query(`PREPARE typed AS ${text}`);
      assert.deepEqual(
        await rows(types, ['typed']),
        (await gated.direct.query({ text: types, values: ['typed'], rowMode: 'array' })).rows,
        text,
      );
      await gated.direct.query('DEALLOCATE typed');
      await client.query('DEALLOCATE typed');
    }
  });

  it('tell a client that compares with a value that the condition saw tokens, and nobody who compares with a token', async () => {
    notices.length = 0;
    await rows(`SELECT 1 FROM patients WHERE mrn = '${token('M-7')}'`);
    assert.deepEqual(notices, []);
    await rows("SELECT 1 FROM patients WHERE mrn = 'M-7'");
    assert.deepEqual(notices, ['sallyport: column mrn is masked; the predicate saw the mask']);
  });
});

describe('tokens after the key was rotated', () => {
  let server: EmbeddedPostgres;
  let gated: GatedPostgres;
  let client: pg.Client;

  before(async () => {
    server = await startEmbeddedPostgres();
    gated = await startGatedPostgres({
      server,
      tokens: rotatedTokens,
      setup: `CREATE TABLE patients (id int PRIMARY KEY, mrn text); INSERT INTO patients SELECT i, 'M-' || i FROM generate_series(1, 50) i`,
      policy: { version: '1', classRules: [{ class: 'phi.mrn', pattern: 'public.patients.mrn' }], safeFunctions: new Set() },
    });
    gated.gate.setMasks('tokens', { 'phi.mrn': 'token' });
    client = gated.client();
    await client.connect();
  });
  after(async () => {
    await client?.end().catch(() => undefined);
    await gated?.stop();
    await server?.stop();
  });

  it('are still understood everywhere, and shown with the new key', async () => {
    const old = testTokens.issue('phi.mrn', 'M-7');
    const today = rotatedTokens.issue('phi.mrn', 'M-7');
    assert.notEqual(old, today);
    const rows = async (text: string, values: readonly unknown[] = []): Promise<unknown[]> =>
      (await client.query({ text, values: [...values], rowMode: 'array' })).rows;
    for (const [text, values] of [
      [`SELECT mrn FROM patients WHERE mrn = '${old}'`, []],
      ['SELECT mrn FROM patients WHERE mrn = $1', [old]],
      ['SELECT mrn FROM patients WHERE mrn = $1', [Buffer.from(old)]],
      ['SELECT mrn FROM patients WHERE mrn = ANY($1)', [[old, 'x']]],
      [`SELECT mrn FROM patients WHERE mrn = ANY('{${old},"x y"}')`, []],
      [`SELECT mrn FROM patients WHERE (mrn = '${old}' OR false) AND id > 0`, []],
      [`SELECT mrn FROM patients WHERE CASE WHEN mrn IN ('${old}') THEN true END`, []],
      [`SELECT s.mrn FROM (SELECT mrn FROM patients) s WHERE s.mrn = '${old}'`, []],
      ['WITH s AS (SELECT mrn FROM patients) SELECT mrn FROM s WHERE s.mrn = $1', [old]],
    ] as const) {
      assert.deepEqual(await rows(text, values), [[today]], text);
    }
    await rows('INSERT INTO patients VALUES (51, $1), (52, $2)', [old, today]);
    await rows(`UPDATE patients SET id = 53 WHERE mrn = '${old}' AND id = 52`);
    assert.deepEqual(
      (await gated.direct.query({ text: 'SELECT id, mrn FROM patients WHERE id > 50 ORDER BY id', rowMode: 'array' })).rows,
      [
        [51, 'M-7'],
        [53, 'M-7'],
      ],
    );
    const expired = old.replace('_1_', '_0_');
    for (const query of [
      { text: `SELECT 1 FROM patients WHERE mrn = '${expired}'` },
      { text: 'SELECT 1 FROM patients WHERE mrn = $1', values: [expired] },
    ]) {
      await assert.rejects(client.query(query), /a token of phi\.mrn whose key has expired/);
    }
  });
});
