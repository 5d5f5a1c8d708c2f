// Tokens are made twice: by the target in SQL, and by the gateway in node:crypto. Both must be the same function, and each
// must open what the other made. A property test over all kinds of texts, on a real PostgreSQL.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { deriveTokenKey, maskSql, openedToken, TokenSpace } from '../../src/masking/index.ts';

const tokens = new TokenSpace([deriveTokenKey('k9', 'active', 'a secret of the test', 'clinic')]);
const longest = 56;

describe('tokens of the target and of the gateway', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;

  before(async () => {
    server = await startEmbeddedPostgres();
    const { host, port, user, password } = server;
    const options = tokens.settings.map(([name, value]) => `-c ${name}=${value}`).join(' ');
    client = new pg.Client({ host, port, user, password, database: 'postgres', options });
    await client.connect();
  });
  after(async () => {
    await client?.end();
    await server?.stop();
  });

  const made = async (values: readonly string[], className: string): Promise<(string | null)[]> => {
    const mask = maskSql('token', { columnName: 'v', typeName: 'text', className, keyId: tokens.keyId });
    const { rows } = await client.query<{ token: string }>(
      `SELECT ${mask} AS token FROM unnest($1::text[]) WITH ORDINALITY AS t(v, place) ORDER BY place`,
      [values],
    );
    return rows.map(({ token }) => token);
  };
  const opened = async (texts: readonly string[], className: string): Promise<(string | null)[]> => {
    const { rows } = await client.query<{ value: string | null }>(
      `SELECT ${openedToken('v', className, tokens.keyId)} AS value FROM unnest($1::text[]) WITH ORDINALITY AS t(v, place) ORDER BY place`,
      [texts],
    );
    return rows.map(({ value }) => value);
  };

  const unit = fc.oneof(fc.constantFrom('grapheme' as const, 'grapheme-ascii' as const, 'binary' as const));
  const text = unit
    .chain((each) => fc.string({ unit: each, maxLength: 90 }))
    .filter((value) => !value.includes('\0') && value.isWellFormed());
  const className = fc.constantFrom('phi.mrn', 'phi.health-plan', 'a', 'hr.x-1.y');

  it('are equal for every text, and open each other', async () => {
    await fc.assert(
      fc.asyncProperty(className, fc.array(text, { minLength: 1, maxLength: 200 }), async (name, values) => {
        const wanted = values.map((value) => tokens.issue(name, value));
        assert.deepEqual(await made(values, name), wanted);
        const isShort = (value: string): boolean => Buffer.byteLength(value) <= longest;
        assert.deepEqual(
          await opened(wanted, name),
          values.map((value) => (isShort(value) ? value : null)),
        );
        for (const [index, token] of wanted.entries()) {
          const value = values[index] ?? '';
          assert.deepEqual(tokens.open(name, token), isShort(value) ? { value } : { fault: 'one-way' });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are equal at every length up to the bound, beyond it, and for 10 KB', async () => {
    const values = [...Array.from({ length: 130 }, (_, length) => 'z'.repeat(length)), 'ä'.repeat(28), 'ä'.repeat(29), 'q'.repeat(10_240)];
    const wanted = values.map((value) => tokens.issue('phi.mrn', value));
    assert.deepEqual(await made(values, 'phi.mrn'), wanted);
    assert.equal(new Set(wanted).size, values.length);
    assert.deepEqual(
      await opened(wanted, 'phi.mrn'),
      values.map((value) => (Buffer.byteLength(value) <= longest ? value : null)),
    );
  });

  it('open nothing that is no token, without an error', async () => {
    const token = tokens.issue('phi.mrn', 'M1');
    const texts = [
      '',
      'M1',
      'tok_',
      'tok_mrn_k9_',
      `${token}0`,
      token.slice(0, -1),
      token.toUpperCase(),
      tokens.issue('phi.account', 'M1'),
      `x${token}`,
    ];
    assert.deepEqual(new Set(await opened(texts, 'phi.mrn')), new Set([null]));
    const { rows } = await client.query<{ value: string | null }>(`SELECT ${openedToken('NULL::text', 'phi.mrn', 'k9')} AS value`);
    assert.equal(rows[0]?.value, null);
  });

  it('find the row by its index, as constants and as parameters', async () => {
    await client.query(`CREATE TABLE people (id int PRIMARY KEY, mrn text NOT NULL UNIQUE);
      INSERT INTO people SELECT i, 'M' || i FROM generate_series(1, 20000) i; ANALYZE people`);
    const token = tokens.issue('phi.mrn', 'M4711');
    const plan = async (query: string): Promise<string> =>
      (await client.query<Record<string, string>>(`EXPLAIN ${query}`)).rows.map((row) => row['QUERY PLAN']).join('\n');
    const constant = `SELECT id FROM people WHERE mrn = ${openedToken(`'${token}'::text`, 'phi.mrn', 'k9')}`;
    assert.match(await plan(constant), /Index Scan using people_mrn_key/);
    assert.doesNotMatch(await plan(constant), /M4711|[^0-9a-f][0-9a-f]{64}[^0-9a-f]/);
    assert.equal((await client.query<{ id: number }>(constant)).rows[0]?.id, 4711);
    await client.query(`PREPARE found AS SELECT id FROM people WHERE mrn = ${openedToken('$1::text', 'phi.mrn', 'k9')}`);
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      await client.query(`SET plan_cache_mode = ${mode}`);
      assert.match(await plan(`EXECUTE found('${token}')`), /Index Scan using people_mrn_key/);
      assert.doesNotMatch(await plan(`EXECUTE found('${token}')`), /M4711/);
      assert.equal((await client.query<{ id: number }>(`EXECUTE found('${token}')`)).rows[0]?.id, 4711);
    }
    await client.query('RESET plan_cache_mode');
  });
});
