// No protected data in headers, logs, metrics, errors, notifications, SIEM: distinctive values are planted wherever a client, a person, a
// table or a server can put text, and every byte that the gateway writes or sends elsewhere is searched for each of them, in every
// encoding it could have, also as digests that anybody could compute. What is sealed is on the disk too, and must not show them either.
// Beside gateway-secrets.e2e.test.ts, which proves that the same texts are recorded, and looks for credentials.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { clerkOf, clinicTests, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import { startHttpDouble } from '../support/http-double.ts';
import { callApi, connect, until } from '../support/small-clinic.ts';

const tests = clinicTests();
const { gatewayOf, open, served } = tests;

/** Every place somebody can put text. */
const places = [
  // In SQL.
  'literal',
  'dollar',
  'comment',
  'alias',
  'identifier',
  'unparseable',
  'parameter',
  'binary',
  'statement name',
  'cursor',
  'held',
  'held parameter',
  // What PostgreSQL says about data.
  'cast error',
  'unique error',
  'check error',
  'raised',
  // At the start of a session.
  'application',
  'user',
  'database',
  'option',
  'option name',
  'bad password',
  // In tables.
  'row',
  'masked',
  // In HTTP.
  'path',
  'query',
  'query name',
  'user agent',
  'header',
  'referer',
  'body',
  'body name',
  'broken body',
  'bad bearer',
  'explained',
  'checked policy',
  // Free text of people.
  'purpose',
  'justification',
  'finding',
  'lock reason',
  'leaver',
] as const;

/** Letters and digits alone, so that no escaping changes it: every encoding below holds it as it is or is derived from it. */
const canaries = new Map<string, string>(places.map((place) => [place, `kNr${randomBytes(9).toString('hex')}Q`]));
const canary = (place: string): string => canaries.get(place) ?? assert.fail(`no such place: ${place}`);

/** Everything a text could have become on its way, lower-case. */
function formsOf(text: string): Map<string, string> {
  const forms = new Map<string, string>([['plain', text]]);
  const bytes = Buffer.from(text);
  forms.set('hex', bytes.toString('hex'));
  forms.set('UTF-16LE', Buffer.from(text, 'utf16le').toString('latin1'));
  forms.set('UTF-16BE', Buffer.from(text, 'utf16le').swap16().toString('latin1'));
  forms.set('reversed', [...text].toReversed().join(''));
  forms.set('percent', [...bytes].map((byte) => `%${byte.toString(16)}`).join(''));
  forms.set('JSON escapes', [...bytes].map((byte) => `\\u00${byte.toString(16)}`).join(''));
  for (let shift = 0; shift < 3; shift += 1) {
    // Without the characters at both ends that neighbours take part in.
    const base64 = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    forms.set(`base64, moved by ${shift}`, base64.slice(shift === 0 ? 0 : shift + 1, -2));
  }
  for (const algorithm of ['md5', 'sha1', 'sha256']) {
    const digest = createHash(algorithm).update(text).digest();
    forms.set(`${algorithm} in hex`, digest.toString('hex'));
    forms.set(`${algorithm} in base64`, digest.toString('base64').replace(/=+$/, ''));
    forms.set(`${algorithm} in bytes`, digest.toString('latin1'));
  }
  return forms;
}

interface Found {
  readonly where: string;
  readonly place: string;
  readonly form: string;
}

const searched = new Map([...canaries].map(([place, text]) => [place, formsOf(text)]));

function search(where: string, bytes: Buffer | string): Found[] {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  const exact = buffer.toString('latin1');
  const folded = exact.toLowerCase();
  return [...searched].flatMap(([place, forms]) =>
    [...forms].flatMap(([form, text]) => {
      // The case of base64 and of raw bytes means something.
      const isExact = form.startsWith('base64') || form.endsWith('base64') || form.endsWith('bytes');
      return (isExact ? exact.includes(text) : folded.includes(text.toLowerCase())) ? [{ where, place, form }] : [];
    }),
  );
}

test('the search itself finds a value in each of its encodings', () => {
  const text = canary('literal');
  const planted: Record<string, Buffer | string> = {
    plain: `x${text.toUpperCase()}x`,
    hex: Buffer.from(`ab${text}`).toString('hex').toUpperCase(),
    'UTF-16LE': Buffer.from(`a${text}`, 'utf16le'),
    percent: [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase()}`).join(''),
    'sha256 in hex': createHash('sha256').update(text).digest('hex'),
    'sha256 in bytes': createHash('sha256').update(text).digest(),
  };
  for (const [form, bytes] of Object.entries(planted)) {
    assert.ok(
      search('x', bytes).some((found) => found.place === 'literal' && found.form === form),
      form,
    );
  }
  for (let before = 0; before < 4; before += 1) {
    const base64 = Buffer.from(`${'x'.repeat(before)}${text} and more`).toString('base64');
    assert.equal(search('x', base64).length, 1, `base64 behind ${before} bytes`);
  }
  assert.deepEqual(search('x', randomBytes(100_000).toString('base64')), []);
});

/** A receiver of syslog over TLS that keeps every byte. */
async function syslogDouble(gateway: TestGateway): Promise<{ readonly port: number; readonly chunks: Buffer[] }> {
  const chunks: Buffer[] = [];
  const read = (name: string): string => readFileSync(join(gateway.directory, 'tls', name), 'utf8');
  const server = createServer({ cert: read('server.crt'), key: read('server.key') }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({ close: async () => void server.close() });
  return { port: (server.address() as AddressInfo).port, chunks };
}

/** Any request, with headers of the test's choosing. */
function raw(
  gateway: TestGateway,
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options;
    const outgoing = request({ host: 'localhost', port, path, method, headers, ca: gateway.ca, agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

test('THREAT leak: nothing that anybody planted is in what the gateway writes or sends anywhere', { timeout: 300_000 }, async () => {
  const gateway = await gatewayOf({ start: false });
  const receivers = {
    https: await startHttpDouble(),
    hec: await startHttpDouble(),
    otlp: await startHttpDouble(),
    webhook: await startHttpDouble(),
  };
  for (const receiver of Object.values(receivers)) open.push(receiver);
  receivers.hec.answer = (_received, response) => void response.end('{"text":"Success","code":0}');
  receivers.otlp.answer = (_received, response) => void response.end('{}');
  const syslog = await syslogDouble(gateway);
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, unknown>;
  const secret = (name: string, value: string): { file: string } => {
    writeFileSync(join(gateway.directory, 'keys', name), value, { mode: 0o600 });
    return { file: `keys/${name}` };
  };
  config['notifications'] = [
    {
      name: 'hook',
      kind: 'webhook',
      url: `${receivers.webhook.url}/hook`,
      insecure: true,
      secret: secret('hook', `whsec_${randomBytes(32).toString('base64')}`),
    },
  ];
  config['siem'] = [
    { name: 'file', kind: 'file', path: './data/events.ndjson' },
    { name: 'stdout', kind: 'stdout' },
    { name: 'https', kind: 'https', url: `${receivers.https.url}/in`, insecure: true },
    { name: 'hec', kind: 'splunk-hec', url: receivers.hec.url, insecure: true, token: secret('hec', 'hec') },
    { name: 'otlp', kind: 'otlp', url: `${receivers.otlp.url}/v1/logs`, insecure: true },
    { name: 'syslog', kind: 'syslog', host: 'localhost', port: syslog.port, allowPrivate: true, ca: 'tls/ca.crt' },
  ];
  writeFileSync(gateway.configFile, JSON.stringify(config));
  const child = await served(gateway);
  const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];

  // What tables hold.
  const { direct } = tests.clinic;
  await direct.query('UPDATE patients SET ssn = $1, name = $1 WHERE id = 1', [canary('masked')]);
  await direct.query('INSERT INTO scratch (body) VALUES ($1)', [canary('row')]);
  await direct.query('CREATE TABLE IF NOT EXISTS canary_unique (body text UNIQUE, CONSTRAINT short CHECK (length(body) < 60))');
  await direct.query('INSERT INTO canary_unique VALUES ($1)', [canary('unique error')]);

  // What clients say. What it is answered is theirs to read.
  const client = await connect(gateway, child.port, clerk, { application_name: canary('application'), user: canary('user') });
  const ask = (text: string, values?: unknown[]): Promise<unknown> =>
    (values === undefined ? client.query(text) : client.query(text, values)).catch((fault: unknown) => fault);
  await ask(`SELECT '${canary('literal')}', $$${canary('dollar')}$$ /* ${canary('comment')} */`);
  await ask(`SELECT id AS "${canary('alias')}" FROM visits LIMIT 1`);
  await ask(
    `SELECT "${canary('identifier')}" FROM "${canary('identifier')}" WHERE "${canary('identifier')}"."${canary('identifier')}" = 1`,
  );
  await ask(`SELEC '${canary('unparseable')}`);
  await ask('SELECT $1::text', [canary('parameter')]);
  await ask('SELECT $1::bytea', [Buffer.from(canary('binary'))]);
  await client.query({ name: canary('statement name'), text: 'SELECT 1' }).catch(() => undefined);
  await ask(`DECLARE "${canary('cursor')}" CURSOR WITH HOLD FOR SELECT 1`);
  const codes = [
    await ask(`SELECT '${canary('cast error')}'::int`),
    await ask(`INSERT INTO canary_unique VALUES ('${canary('unique error')}')`),
    await ask(`INSERT INTO canary_unique VALUES ('${canary('check error').repeat(4)}')`),
  ].map((fault) => (fault as { code?: string }).code);
  assert.deepEqual(codes, ['22P02', '23505', '23514'], 'the server has said what it says about data');
  await ask(`DO $$ BEGIN RAISE EXCEPTION '%', '${canary('raised')}'; END $$`);
  await ask('SELECT body FROM scratch');
  await ask('SELECT id, ssn, name FROM patients WHERE id = 1');
  const noticed = once(client, 'notice');
  const held = client
    .query(`SELECT name FROM patients WHERE name <> '${canary('held')}' AND name <> $1`, [canary('held parameter')])
    .catch(() => undefined);
  const [notice] = (await noticed) as [{ message: string }];
  const approval = /apr_[a-z2-7]{26}/.exec(notice.message)?.[0] ?? '';
  await assert.rejects(connect(gateway, child.port, clerk, { database: canary('database') }));
  await connect(gateway, child.port, clerk, { options: `-c ${canary('option name')}=${canary('option')}` }).then(
    (other) => other.end(),
    () => undefined,
  );
  await assert.rejects(connect(gateway, child.port, canary('bad password')));

  // What is said over HTTP.
  const { apiPort } = child;
  const bearer = { authorization: `Bearer ${officer}` };
  const json = { ...bearer, 'content-type': 'application/json' };
  await raw(gateway, apiPort, `/v1/${canary('path')}?${canary('query name')}=${canary('query')}`, {
    headers: { ...bearer, 'user-agent': canary('user agent'), 'x-request-id': canary('header'), referer: `https://x/${canary('referer')}` },
  });
  await raw(gateway, apiPort, `/v1/approvals/${canary('path')}`, { headers: bearer });
  await raw(gateway, apiPort, `/v1/sessions?target=${canary('query')}&${canary('query name')}=1`, { headers: bearer });
  await raw(gateway, apiPort, '/v1/locks', {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ kind: canary('body'), [canary('body name')]: 1 }),
  });
  await raw(gateway, apiPort, '/v1/locks', { method: 'POST', headers: json, body: `{"kind": ${canary('broken body')}` });
  await raw(gateway, apiPort, '/v1/whoami', { headers: { authorization: `Bearer ${canary('bad bearer')}` } });
  const api = (path: string, body?: object): Promise<{ status: number; text: string }> => callApi(gateway, apiPort, officer, path, body);
  await api('/v1/policy/explain', { sql: `SELECT '${canary('explained')}'`, target: 'clinic' });
  await api('/v1/policy/check', {
    files: [{ path: 'p.yaml', source: `version: 1\n# ${canary('checked policy')}\n${canary('checked policy')}: 1\n` }],
  });

  // Free text of people.
  const answers = new Map<string, string>();
  const told = async (path: string, body?: object): Promise<string> => {
    const { text } = await api(path, body);
    answers.set(path, text);
    return text;
  };
  await told('/v1/approvals');
  await told(`/v1/approvals/${approval}`);
  await told(`/v1/approvals/${approval}/answer`, { verdict: 'approve', justification: canary('justification') });
  await held;
  await client.end();
  const since = new Date(Date.now() - 3_600_000).toISOString();
  assert.equal((await api('/v1/reviews', { since, finding: `saw ${canary('finding')}` })).status, 200);
  assert.equal((await api('/v1/locks', { kind: 'target', name: 'clinic', reason: canary('lock reason') })).status, 200);
  assert.equal((await api('/v1/reports/leavers', { principals: [{ issuer: 'corp', subject: canary('leaver') }] })).status, 200);

  // What others may read.
  const sessions = await until('the session is indexed', async () => {
    const { text } = await api('/v1/sessions');
    const { sessions: rows } = JSON.parse(text) as { sessions: { id: string; closedAt: string | null; statements: number }[] };
    return rows.some(({ closedAt, statements }) => closedAt !== null && statements > 5) && rows;
  });
  const session = sessions.find(({ statements }) => statements > 5)?.id ?? '';
  for (const path of [
    '/v1/sessions',
    `/v1/sessions/${session}`,
    '/v1/audit/entries?limit=1000',
    `/v1/reviews?since=${since}`,
    `/v1/reports/coverage?since=${since}`,
    '/v1/notifications',
    '/v1/locks',
    '/v1/recertification',
    '/v1/grants',
    '/v1/targets',
    '/v1/policy',
    '/v1/siem',
    '/readyz',
    '/metrics',
  ])
    assert.notEqual(await told(path), '');
  assert.notEqual(await told(`/v1/sessions/${session}/recording`, { purpose: canary('purpose') }), '');
  await until('everything was sent', async () => {
    const { text } = await api('/v1/siem');
    const { destinations } = JSON.parse(text) as { destinations: { lag: number }[] };
    return destinations.length === 6 && destinations.every(({ lag }) => lag === 0);
  });
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);

  const data = join(gateway.directory, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const sinks = new Map<string, Buffer | string>([
    ...files.map((entry): [string, Buffer] => [`file ${entry.name}`, readFileSync(join(entry.parentPath, entry.name))]),
    ['standard output', child.out()],
    ['standard error', child.err()],
    ['syslog', Buffer.concat(syslog.chunks)],
    ...Object.entries(receivers).map(([name, { received }]): [string, string] => [name, JSON.stringify(received)]),
    ...[...answers].map(([path, text]): [string, string] => [`answer of ${path}`, text]),
  ]);
  for (const [name, bytes] of sinks) {
    if (/^(standard|syslog|https|hec|otlp|webhook)/.test(name)) assert.ok(bytes.length > 100, `nothing came to ${name}`);
  }
  assert.deepEqual(
    [...sinks].flatMap(([name, bytes]) => search(name, bytes)),
    [],
  );
  await direct.query('DROP TABLE canary_unique');
});
