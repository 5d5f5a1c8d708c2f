// The real command line against the real API over TLS, with in-memory services behind it: what one sends the other
// understands, and certificates that `init` issues are accepted by name and refused otherwise.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createApi } from '../../src/api/index.ts';
import type { Fakes } from '../../src/api/testing.ts';
import { approvalOf, createFakes, NOW_MS, PEOPLE, sessionId, sessionOf } from '../../src/api/testing.ts';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { loadConfig } from '../../src/app/config.ts';
import { parseSigningKey } from '../../src/audit/index.ts';
import type { Captured, Setting } from '../../src/cli/testing.ts';
import { cli } from '../../src/cli/testing.ts';
import { Secret } from '../../src/core/secret.ts';
import { loadPolicy } from '../../src/policy/index.ts';

let fakes: Fakes;
let api: ReturnType<typeof createApi>;
let url = '';
let ca = '';
let otherCa = '';

before(async () => {
  const nowMs = Date.now();
  const authority = await createAuthority({ name: 'e2e', nowMs });
  const tls = await issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs });
  ca = authority.certificate;
  otherCa = (await createAuthority({ name: 'other', nowMs })).certificate;
  fakes = createFakes();
  const agent = PEOPLE['agent']!;
  fakes.approvals.push(approvalOf('a', agent));
  fakes.sessions.push(sessionOf('a', agent, 0));
  const common = { v: 1 as const, ts: new Date(NOW_MS).toISOString(), replica: 'r', session: sessionId('a') };
  fakes.entries.push(
    { ...common, seq: 0, type: 'session.open', principal: { issuer: 'corp', subject: 'agent-1', kind: 'agent' } },
    {
      ...common,
      seq: 1,
      type: 'request.intent',
      decision: 'allow',
      rules: [],
      statement: { normalised: 'SELECT $1', bytes: 9, parameters: [] },
      sealed: [{ kind: 'statement', sha256: 'aa', bytes: 3, commitment: 'cc', key: 'k' }],
    },
    { ...common, seq: 2, type: 'request.result', intent: 1, result: { rows: 1, bytes: 2, code: 'ok', ms: 1.5 } },
  );
  api = createApi(fakes.deps);
  ({ url } = await api.listen({ host: '127.0.0.1', port: 0, tls }));
});
after(() => api.close());

const as = (who: string, argv: string[], setting: Setting = {}): Promise<Captured> =>
  cli(argv, {
    files: { ca, id: 'AGE-SECRET-KEY-1X\n', 'p.yaml': 'version: 1\n' },
    deps: { unseal: async (bytes) => ({ bytes, truncated: false, originalBytes: bytes.length }) },
    ...setting,
    env: { SALLYPORT_API: url, SALLYPORT_CA: 'ca', SALLYPORT_TOKEN: who, ...setting.env },
  });

test('every command that asks the API understands its answer', async () => {
  const id = fakes.approvals[0]!.id;
  const session = sessionId('a');
  const calls: [string, string[], number, RegExp][] = [
    ['agent', ['targets', 'ls'], 0, /clinic\tpostgres\t-\tready\t2/],
    ['officer', ['approvals', 'ls', '--state', 'pending'], 0, /apr_a/],
    ['officer', ['approvals', 'show', id], 0, /can return whole tables/],
    ['agent', ['approvals', 'approve', id], 1, /^$/],
    ['officer', ['approvals', 'approve', id, '--reason', 'case 1'], 0, /is approved/],
    ['agent', ['session', 'ls'], 0, /ses_a/],
    ['agent', ['session', 'show', session], 0, /SELECT \$1/],
    ['auditor', ['session', 'replay', session, '--identity', 'id', '--purpose', 'review'], 0, /> \\u\{1\}/],
    ['agent', ['session', 'replay', session, '--identity', 'id', '--purpose', 'review'], 1, /^$/],
    ['auditor', ['audit', 'tail', '--no-follow', '--from', '0'], 0, /request\.result/],
    ['agent', ['policy', 'explain', 'SELECT ssn FROM patients', '--target', 'clinic'], 0, /^hold/],
    ['auditor', ['policy', 'explain', 'SELECT 1', '--target', 'clinic', '--as', 'corp/x:g'], 0, /request\.unbounded/],
    ['operator', ['policy', 'check', 'p.yaml'], 0, /is good/],
    ['operator', ['policy', 'test', 'p.yaml'], 1, /FAIL {2}a test/],
  ];
  for (const [who, argv, code, out] of calls) {
    const answer = await as(who, argv);
    assert.equal(answer.code, code, `${argv.join(' ')}: ${answer.err}`);
    assert.match(answer.out, out, argv.join(' '));
    assert.doesNotMatch(answer.err, /not understood/);
  }
});

test('what init writes loads: configuration, policy, certificates, keys', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-init-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, 'new');
  const certificates = async (hosts: readonly string[]) => {
    const nowMs = Date.now();
    const authority = await createAuthority({ name: 'init', nowMs });
    return { authority, server: await issueServerCertificate(authority, { hosts, nowMs }) };
  };
  // Values that YAML would read as something else than text.
  const awkward = ['--target', 'ehr-2', '--database', '123', '--user', 'no', '--audience', 'a: b #c', '--address', '[::1]:5432'];
  assert.equal((await cli(['init', root, ...awkward], { deps: { certificates } })).code, 0);
  const config = await loadConfig(join(root, 'sallyport.yaml'));
  const { document } = config;
  const [target] = document.targets;
  assert.ok(target?.protocol === 'postgres');
  assert.deepEqual([target.name, target.database, target.user], ['ehr-2', '123', 'no']);
  assert.equal(document.identity.providers[0]?.audience, 'a: b #c');
  const text = readFileSync(config.path('policy.yaml'), 'utf8');
  const policy = loadPolicy({ files: [{ name: 'policy.yaml', text }], packs: () => undefined, targets: ['ehr-2'], issuers: ['corp'] });
  assert.ok(policy.ok, JSON.stringify(policy));
  const signingKey = new Secret(readFileSync(config.path('keys/log.key'), 'utf8'));
  assert.equal(`${parseSigningKey(signingKey, document.audit.origin).vkey}\n`, readFileSync(config.path('keys/log.vkey'), 'utf8'));
});

test('a certificate of another authority, or for another name, is refused before the token is sent', async () => {
  const seen = fakes.logged.length;
  const foreign = await as('agent', ['targets', 'ls'], { files: { ca: otherCa } });
  assert.equal(foreign.code, 1);
  assert.match(foreign.err, /cannot reach the API[\s\S]*--ca FILE/);
  const unnamed = await as('agent', ['targets', 'ls', '--api', url.replace('127.0.0.1', '127.0.0.2')]);
  assert.equal(unnamed.code, 1);
  assert.equal(fakes.logged.length, seen);
});

test('a plain HTTP request to the TLS port gets nothing', async () => {
  const { code, err } = await as('agent', ['targets', 'ls', '--api', url.replace('https', 'http')]);
  assert.equal(code, 1);
  assert.match(err, /https:\/\/ instead of http:\/\//);
});
