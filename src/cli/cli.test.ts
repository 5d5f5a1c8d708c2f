// The command line against a server that plays the API: what is sent, what is printed, how it exits.
// LENGTH: all commands share that server and its recorded calls.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SallyportError } from '../core/error.ts';
import { RecordingWriter } from '../wire/pg-recording.ts';
import { supposedPrincipal } from './arguments.ts';
import { printable } from './output.ts';
import type { Captured, Setting } from './testing.ts';
import { cli, FakeApi } from './testing.ts';

const actor = { issuer: 'corp', subject: 'agent-1', kind: 'agent' };
const approval = {
  id: 'apr_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  state: 'pending',
  session: 'ses_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  target: 'clinic',
  requester: { ...actor, name: 'Agent' },
  onBehalfOf: null,
  statement: 'SELECT * FROM patients WHERE note = \u001b[31m$1',
  effects: ['read'],
  relations: [{ name: 'public.patients', access: 'read' }],
  outputs: [{ name: 'ssn', classes: ['phi.ssn'], mask: 'redact' }],
  unbounded: true,
  preview: { estimatedRows: 12, affectedRows: null, notCounted: 'cascade', sampling: null },
  rules: ['bulk-read-of-phi'],
  say: null,
  approvers: { role: 'privacy-officer', count: 2 },
  answers: [],
  uses: null,
  createdAt: '2026-11-21T09:00:00.000Z',
  expiresAt: '2026-11-21T09:15:00.000Z',
};
const session = {
  id: 'ses_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  target: 'clinic',
  principal: actor,
  onBehalfOf: { issuer: 'corp', subject: 'olga', kind: 'person' },
  openedAt: '2026-11-21T09:00:00.000Z',
  closedAt: null,
  closeReason: null,
  statements: 2,
  denied: 1,
  held: 0,
  rows: 3,
};

describe('command line', () => {
  let api: FakeApi;
  before(async () => void (api = await FakeApi.start()));
  after(() => api.stop());
  beforeEach(() => {
    api.seen.length = 0;
    api.answer = () => ({ body: {} });
  });

  const call = (argv: string[], setting: Setting = {}): Promise<Captured> =>
    cli(argv, { ...setting, env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't0ken', ...setting.env } });

  test('every command has help with examples', async () => {
    const commands = [
      'serve, init, demo, targets ls, policy check, policy test, policy explain, approvals ls, approvals show',
      'approvals approve, approvals deny, notifications ls, notifications test, session ls, session show, session end, session replay, audit verify, audit tail',
    ];
    for (const command of commands.join(', ').split(', ')) {
      const { code, out } = await cli([...command.split(' '), '--help']);
      assert.equal(code, 0, command);
      assert.match(out, /Examples:\n {2}\$ sallyport/, command);
    }
    const top = await cli(['--help']);
    assert.match(top.out, /Exit codes: 0 done/);
    assert.equal((await cli(['--version'])).out, '1.2.3\n');
  });

  test('wrong usage exits 2 and suggests', async () => {
    const typo = await cli(['approval']);
    assert.equal(typo.code, 2);
    assert.match(typo.err, /unknown command 'approval'[\s\S]*approvals/);
    assert.equal((await call(['approvals', 'ls', '--limit', '0'])).code, 2);
    assert.equal((await call(['approvals', 'ls', '--state', 'odd'])).code, 2);
    assert.equal((await call(['policy', 'explain', 'SELECT 1'])).code, 2, 'no target');
    assert.equal((await cli([])).code, 2);
    assert.equal(api.seen.length, 0);
  });

  test('a missing address or token is a usage failure that says how to give it', async () => {
    const noAddress = await cli(['targets', 'ls']);
    assert.equal(noAddress.code, 2);
    assert.match(noAddress.err, /error: no API address\n {2}next: .*SALLYPORT_API/);
    const noToken = await cli(['targets', 'ls'], { env: { SALLYPORT_API: api.url } });
    assert.equal(noToken.code, 2);
    assert.match(noToken.err, /SALLYPORT_TOKEN/);
  });

  test('there is no option that takes a token', async () => {
    assert.equal((await call(['targets', 'ls', '--token', 'x'])).code, 2);
  });

  test('the token comes from environment, file or command, and an option beats the environment', async () => {
    api.answer = () => ({ body: { targets: [] } });
    await call(['targets', 'ls']);
    assert.equal(api.last?.token, 'Bearer t0ken');
    await call(['targets', 'ls', '--token-file', 'tok'], { files: { tok: 'from-file\n' } });
    assert.equal(api.last?.token, 'Bearer from-file');
    await call(['targets', 'ls', '--token-command', 'printf from-command']);
    assert.equal(api.last?.token, 'Bearer from-command');
    const failed = await call(['targets', 'ls', '--token-command', 'exit 3']);
    assert.equal(failed.code, 2);
    assert.match(failed.err, /token command failed[\s\S]*ended with 3/);
    const two = await call(['targets', 'ls', '--token-file', 'a', '--token-command', 'b']);
    assert.equal(two.code, 2);
    const broken = await call(['targets', 'ls', '--token-file', 'tok'], { files: { tok: 'a b\r\nx: y' } });
    assert.equal(broken.code, 2, 'more than one word is not a token');
  });

  test('a token is not sent in the clear to another machine', async () => {
    const { code, err } = await call(['targets', 'ls', '--api', 'http://gateway.example.com']);
    assert.equal(code, 2);
    assert.match(err, /refusing to send a token without TLS/);
  });

  test('a problem of the API is what, why and next; the code decides the exit', async () => {
    const problem = { code: 'SP_API_FORBIDDEN', title: 'your roles do not allow this', remedy: 'Ask a colleague.', request: 'req-1' };
    api.answer = () => ({ status: 403, body: problem });
    const denied = await call(['targets', 'ls']);
    assert.equal(denied.code, 1);
    assert.match(
      denied.err,
      /^error: your roles do not allow this\n {2}why: .*403 SP_API_FORBIDDEN, req-1\n {2}next: Ask a colleague\.\n$/,
    );
    const json = await call(['targets', 'ls', '--json']);
    assert.equal(JSON.parse(json.err).error.code, 'SP_API_FORBIDDEN');
    api.answer = () => ({ status: 400, body: { ...problem, code: 'SP_API_BAD_REQUEST', faults: [{ path: 'sql', what: 'too long' }] } });
    const bad = await call(['targets', 'ls']);
    assert.equal(bad.code, 2);
    assert.match(bad.err, /sql: too long/);
  });

  test('an answer that is not ours is refused, not guessed', async () => {
    for (const answer of [{ body: '<html>' }, { body: { targets: 'none' } }, { status: 502, body: 'bad gateway' }]) {
      api.answer = () => answer;
      const { code, err } = await call(['targets', 'ls']);
      assert.equal(code, 1);
      assert.match(err, /is not understood/);
    }
  });

  test('an API that is not there says so', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { code, err } = await call(['targets', 'ls', '--api', `http://127.0.0.1:${port}`]);
    assert.equal(code, 1);
    assert.match(err, /cannot reach the API[\s\S]*ECONNREFUSED[\s\S]*sallyport serve/);
  });

  test('a list is a table on a terminal, tab-separated in a pipe, the answer itself with --json', async () => {
    api.answer = () => ({ body: { approvals: [approval] } });
    const piped = await call(['approvals', 'ls', '--state', 'pending']);
    assert.equal(api.last?.query.get('state'), 'pending');
    const [head, row] = piped.out.split('\n');
    assert.equal(head, 'approval\tstate\twho\ttarget\trules\texpires\tstatement');
    assert.equal(row?.split('\t')[2], 'corp/agent-1');
    const terminal = await call(['approvals', 'ls'], { isTTY: true });
    assert.match(terminal.out, /┌[\s\S]*apr_a/);
    assert.match(terminal.out, /\u001b\[33mpending/);
    const plain = await call(['approvals', 'ls'], { isTTY: true, env: { NO_COLOR: '1' } });
    assert.doesNotMatch(plain.out, /\u001b/);
    assert.deepEqual(JSON.parse((await call(['approvals', 'ls', '--json'])).out), { approvals: [approval] });
  });

  test('text from elsewhere cannot control the terminal', async () => {
    api.answer = () => ({ body: { approvals: [approval] } });
    const { out } = await call(['approvals', 'ls'], { isTTY: true, env: { NO_COLOR: '1' } });
    assert.match(out, /\\u\{1b\}\[31m\$1/);
    assert.equal(printable('a\u202eb\u009bc\r\n\td\u0000'), 'a\\u{202e}b\\u{9b}c\\u{d}\\n\\td\\u{0}');
  });

  test('a narrow terminal keeps every line inside it', async () => {
    api.answer = () => ({ body: { approvals: [{ ...approval, statement: 'SELECT '.repeat(60) }] } });
    const { out } = await call(['approvals', 'ls'], { isTTY: true, columns: 100, env: { NO_COLOR: '1' } });
    for (const line of out.split('\n')) assert.ok(line.length <= 100, `${line.length}`);
  });

  test('approve and deny send verdict and reason, and say what is still missing', async () => {
    api.answer = () => ({ body: { ...approval, answers: [{ by: actor, verdict: 'approve', at: 'now', forMs: null }] } });
    const { code, out, err } = await call(['approvals', 'approve', approval.id, '--reason', 'ticket 4711']);
    assert.equal(code, 0);
    assert.equal(api.last?.path, `/v1/approvals/${approval.id}/answer`);
    assert.deepEqual(api.last?.body, { verdict: 'approve', justification: 'ticket 4711' });
    assert.match(out, /is pending/);
    assert.match(err, /1 more of role privacy-officer/);
    await call(['approvals', 'deny', approval.id]);
    assert.deepEqual(api.last?.body, { verdict: 'deny' });
    assert.equal((await call(['approvals', 'approve', approval.id, '--for', '1h30m'])).code, 0);
    assert.deepEqual(api.last?.body, { verdict: 'approve', forMs: 5_400_000 });
    assert.equal((await call(['approvals', 'deny', approval.id, '--for', '15m'])).code, 2);
    assert.equal((await call(['approvals', 'approve', approval.id, '--for', 'ever'])).code, 2);
  });

  test('an id from the command line cannot change the path', async () => {
    await call(['approvals', 'show', '../../metrics?x=']);
    assert.equal(api.last?.path, '/v1/approvals/..%2F..%2Fmetrics%3Fx%3D');
  });

  test('showing an approval tells everything a reviewer needs', async () => {
    api.answer = () => ({ body: { ...approval, sample: null } });
    const { out } = await call(['approvals', 'show', approval.id]);
    for (const part of [
      'corp/agent-1',
      'can return whole tables',
      '2 of role privacy-officer',
      'ssn\tphi.ssn\tredact',
      'about 12 rows',
      'a foreign key would',
    ]) {
      assert.ok(out.includes(part), part);
    }
  });

  test('showing an approval shows the rows that were sampled, before and after, or why there are none', async () => {
    const column = (name: string, shown: string, isAssigned = false) => ({ name, type: 'text', shown, isKey: name === 'id', isAssigned });
    const columns = [column('id', 'value'), column('note', 'value', true), column('ssn', 'masked'), column('scan', 'length')];
    const sample = {
      columns,
      columnsLeftOut: 2,
      isPaired: true,
      rows: [
        { before: ['1', 'old\u001b[31m', '***', '10'], after: ['1', null, '***', '10'] },
        { before: ['2', null, '***', null], after: null },
      ],
    };
    const body = (sampling: string | null, rows: typeof sample | null) => ({
      body: { ...approval, preview: { estimatedRows: 2, affectedRows: 2, notCounted: null, sampling }, sample: rows },
    });
    api.answer = () => body('taken', sample);
    const { out, err } = await call(['approvals', 'show', approval.id]);
    for (const part of [
      'column\trow 1\trow 2, deleted',
      'id (key)\t1\t2',
      'note (set)\told\\u{1b}[31m -> NULL\tNULL',
      'ssn\t***\t***',
      'scan\t10 bytes\tNULL',
    ]) {
      assert.ok(out.includes(part), `${part}\n${out}`);
    }
    assert.match(err, /2 more columns/);
    api.answer = () => body('taken', { ...sample, isPaired: false });
    assert.match((await call(['approvals', 'show', approval.id])).out, /row 2, before/);
    api.answer = () => body('protected', null);
    assert.match((await call(['approvals', 'show', approval.id])).out, /rows\s+not shown: which rows, or what is stored/);
    api.answer = () => body('taken', sample);
    assert.deepEqual(JSON.parse((await call(['approvals', 'show', approval.id, '--json'])).out).sample, sample);
  });

  test('sessions name the person an agent acts for', async () => {
    api.answer = () => ({ body: { sessions: [session] } });
    const { out } = await call(['session', 'ls', '--live']);
    assert.match(out, /corp\/agent-1 for corp\/olga/);
    assert.equal(api.last?.query.get('live'), 'true');
  });

  test('a session is shown page by page, with one header', async () => {
    const entry = (seq: number) => ({ seq, ts: '2026-11-21T09:00:00.000Z', type: 'request.intent', decision: 'deny', rules: ['r'] });
    api.answer = ({ query }) =>
      query.get('after') === '-1'
        ? { body: { ...session, entries: [entry(1)], next: 1 } }
        : { body: { ...session, entries: [entry(5)], next: null } };
    const { out } = await call(['session', 'show', session.id]);
    assert.equal(out.match(/clinic/g)?.length, 1);
    assert.match(out, / 1 {2}2026[\s\S]* 5 {2}2026/);
  });

  test('explain shows decision, lineage and rules; a denied statement exits 1', async () => {
    const explanation = {
      target: 'clinic',
      as: { issuer: 'corp', subject: 'agent-1', kind: 'agent', groups: [] },
      decision: {
        outcome: 'hold',
        reasons: ['rule'],
        rules: ['bulk'],
        roles: ['reporting-agent'],
        policySha256: 'ab',
        say: null,
        approvers: { role: 'privacy-officer', count: 1 },
        withinMs: 1,
      },
      facts: {
        effects: ['read'],
        relations: [],
        predicateClasses: [],
        unbounded: true,
        unknowns: [{ code: 'function', what: 'f', remedy: 'no' }],
      },
      outputs: [{ name: 'x', sources: ['public.patients.ssn'], classes: ['phi.ssn'], mask: 'redact' }],
      missingEffects: [],
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
      rules: [{ rule: 'bulk', then: 'hold', outcome: 'matched', detail: null, when: null }],
      forward: 'SELECT 1',
    };
    api.answer = () => ({ body: explanation });
    const argv = ['policy', 'explain', 'SELECT x', '--target', 'clinic', '--as', 'corp/repo%3Aa%2Fb:g1,g2', '--kind', 'service'];
    const held = await call(argv);
    assert.equal(held.code, 0);
    assert.deepEqual(api.last?.body, {
      sql: 'SELECT x',
      target: 'clinic',
      as: { issuer: 'corp', subject: 'repo:a/b', groups: ['g1', 'g2'], kind: 'service' },
    });
    assert.match(held.out, /^hold\n[\s\S]*x\tpublic\.patients\.ssn\tphi\.ssn\tredact[\s\S]*bulk\thold\tmatched/);
    api.answer = () => ({ body: { ...explanation, decision: { ...explanation.decision, outcome: 'deny' } } });
    assert.equal((await call(argv)).code, 1);
    await call(['policy', 'explain', '-', '--target', 'clinic'], { stdin: 'SELECT 2' });
    assert.deepEqual(api.last?.body, { sql: 'SELECT 2', target: 'clinic' });
  });

  test('a principal that cannot be read is a usage error', () => {
    for (const text of ['', 'corp', '/x', 'corp/', 'corp/%zz']) assert.throws(() => supposedPrincipal(text), text);
    assert.deepEqual(supposedPrincipal('corp/a'), { issuer: 'corp', subject: 'a', groups: [] });
  });

  test('policy files are sent as they are; faults and failed tests exit 1', async () => {
    const fault = { severity: 'error', file: 'p.yaml', line: 3, column: 5, path: 'rules[0].whne', what: 'unknown key', suggestion: 'when' };
    api.answer = () => ({ body: { ok: false, sha256: null, faults: [fault] } });
    const check = await call(['policy', 'check', 'p.yaml'], { files: { 'p.yaml': 'version: 1\n' } });
    assert.equal(check.code, 1);
    assert.deepEqual(api.last?.body, { files: [{ path: 'p.yaml', source: 'version: 1\n' }] });
    assert.match(check.out, /^p\.yaml:3:5 error rules\[0\]\.whne: unknown key, did you mean "when"\?/);
    api.answer = () => ({ body: { ok: false, faults: [], tests: [{ name: 'a', passed: false, differences: ['decision: want hold'] }] } });
    const tested = await call(['policy', 'test']);
    assert.equal(tested.code, 1);
    assert.match(tested.out, /FAIL {2}a\n {6}decision: want hold\n1 tests, 1 failed/);
    assert.equal((await call(['policy', 'check', 'absent.yaml'])).code, 2);
  });

  test('policy files bring what they include, and folders what is in them; nothing from outside of them', async () => {
    api.answer = () => ({ body: { ok: true, sha256: 'aa', faults: [] } });
    const files = {
      'policy/main.yaml': 'version: 1\ninclude: [teams/, missing.yaml]\n',
      'policy/teams/a.yaml': 'version: 1\n',
      'policy/teams/notes.md': 'no',
      'policy/unused.yml': 'version: 1\n',
    };
    const sent = async (...paths: string[]): Promise<string[]> => {
      assert.equal((await call(['policy', 'check', ...paths], { files })).code, 0);
      const body = api.last?.body as { files: { path: string }[] } | undefined;
      return body?.files.map(({ path }) => path) ?? [];
    };
    assert.deepEqual(await sent('policy/main.yaml'), ['policy/main.yaml', 'policy/teams/a.yaml']);
    assert.deepEqual(await sent('./policy/main.yaml', 'policy/teams/a.yaml'), ['policy/main.yaml', 'policy/teams/a.yaml']);
    assert.deepEqual(await sent('policy/'), ['policy/main.yaml', 'policy/unused.yml', 'policy/teams/a.yaml']);
    const links = { 'policy/teams/a.yaml': '/home/somebody/.ssh/id_ed25519' };
    const outside = await call(['policy', 'check', 'policy/main.yaml'], { files, links });
    assert.equal(outside.code, 2);
    assert.match(outside.err, /policy\/teams\/a\.yaml leads out of the folder of the policy/);
    assert.equal((await call(['policy', 'check', 'policy/teams/'], { files: { 'policy/teams/notes.md': 'no' } })).code, 2);
  });

  test('tail follows until Ctrl-C, from where the log ended', async () => {
    const sizes = [40, 41, 42];
    const entry = (seq: number) => ({ v: 1, seq, ts: '2026-11-21T09:00:00.000Z', type: 'heartbeat', replica: 'r' });
    api.answer = ({ query }) => {
      const from = Number(query.get('from') ?? 0);
      const size = sizes[Math.min(api.seen.length - 1, 2)] ?? 0;
      return {
        body: {
          entries: from < size && query.has('from') ? [entry(from)] : [],
          size,
          next: query.has('from') ? Math.min(size, from + 1) : 1,
        },
      };
    };
    let sleeps = 0;
    const { code, out, err } = await call(['audit', 'tail', '--json'], {
      onSleep: (_ms, interrupt) => {
        sleeps += 1;
        if (sleeps === 2) interrupt();
      },
    });
    assert.equal(code, 130);
    assert.equal(err, '');
    assert.deepEqual(
      out
        .trim()
        .split('\n')
        .slice(0, 2)
        .map((line) => JSON.parse(line).seq),
      [20, 21],
    );
  });

  test('a log that became shorter is an alarm', async () => {
    api.answer = () => ({ body: { entries: [], size: api.seen.length > 1 ? 3 : 9, next: 9 } });
    const { code, err } = await call(['audit', 'tail', '--from', '9'], {});
    assert.equal(code, 1);
    assert.match(err, /shorter than it was/);
  });

  test('verify prints what is proven, and exits 1 when it is not', async () => {
    const verifyLog = async (directory: string, { vkey }: { vkey: string }) => ({
      ok: directory === 'good' && vkey === 'name+id+key',
      origin: 'o',
      size: 7,
      root: 'ff',
      problems: directory === 'good' ? [] : [{ code: 'entry-altered', index: 3, what: 'it does not match its leaf' }],
      problemCount: directory === 'good' ? 0 : 1,
      entries: { checked: 7, firstTs: null, lastTs: null },
      payloads: { named: 0, present: 0 },
      firstIndex: 0,
    });
    const good = await cli(['audit', 'verify', 'good', '--key', 'log.vkey'], {
      files: { 'log.vkey': 'name+id+key\n' },
      deps: { verifyLog },
    });
    assert.equal(good.code, 0);
    assert.match(good.out, /7 of 7 checked[\s\S]*whole and signed/);
    const bad = await cli(['audit', 'verify', 'bad', '--key', 'name+id+key'], { deps: { verifyLog } });
    assert.equal(bad.code, 1);
    assert.match(bad.out, /entry-altered {2}entry 3: it does not match/);
    assert.equal((await cli(['audit', 'verify', 'good', '--key', 'nowhere'], { deps: { verifyLog } })).code, 2);
  });

  test('serve gets its file, and its configuration faults are printed line by line', async () => {
    const given: string[] = [];
    const serve = async ({ config }: { config: string }) => void given.push(config);
    assert.equal((await cli(['serve', '-c', 'x.yaml'], { deps: { serve } })).code, 0);
    assert.deepEqual(given, ['x.yaml']);
    const failing = async () => {
      throw new SallyportError('SP_CONFIG_INVALID', 'x.yaml:1:1 a: b\nx.yaml:2:1 c: d');
    };
    const { code, err } = await cli(['serve'], { deps: { serve: failing } });
    assert.equal(code, 2);
    assert.match(err, /error: x\.yaml:1:1 a: b\n +x\.yaml:2:1 c: d/);
  });
});

describe('session replay', () => {
  let api: FakeApi;
  before(async () => void (api = await FakeApi.start()));
  after(() => api.stop());

  const sealed = (kind: string, ciphertext: string | null, seq: number) => ({
    seq,
    ts: new Date(Date.UTC(2026, 10, 21, 9, 0, seq)).toISOString(),
    type: 'request.intent',
    sealed: { kind, sha256: 'aa', bytes: 3, commitment: 'cc', key: 'k' },
    ciphertext,
    wrappedKey: ciphertext === null ? null : 'w',
  });
  const frame = (type: string, ...parts: (number[] | string)[]): Uint8Array => {
    const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : Buffer.from(part))));
    const head = Buffer.alloc(5);
    head.write(type, 0);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const result = (): Uint8Array => {
    const writer = new RecordingWriter({ maxRows: 10, maxBytes: 10_000 });
    writer.add(
      0,
      frame(
        'T',
        [0, 1],
        'ssn',
        Array.from({ length: 18 }, () => 0),
      ),
    );
    writer.add(20, frame('D', [0, 1, 0, 0, 0, 4], [42, 42, 42, 55]));
    writer.add(40, frame('C', 'SELECT 1'));
    return writer.finish(40, 9);
  };
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const files = { 'id.age': '# public key: age1x\nAGE-SECRET-KEY-1TEST\n' };
  const replay = (extra: string[] = [], setting: Setting = {}) =>
    cli(['session', 'replay', session.id, '--identity', 'id.age', '--purpose', 'incident 12', ...extra], {
      files,
      env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't' },
      deps: {
        unseal: async (ciphertext, wrappedKey, identity, ref) => {
          if (identity.reveal() !== 'AGE-SECRET-KEY-1TEST' || wrappedKey !== 'w' || ref.key !== 'k') {
            throw new SallyportError('SP_AUDIT_CORRUPT', 'sealed payload: its data key cannot be opened with this identity');
          }
          return { bytes: ciphertext, truncated: false, originalBytes: ciphertext.length };
        },
      },
      ...setting,
    });

  test('shows statements and masked results as the client saw them, over all pages', async () => {
    api.answer = ({ body }) =>
      (body as { after: number }).after === -1
        ? { body: { session, items: [sealed('statement', base64(Buffer.from('SELECT ssn\nFROM patients')), 1)], next: 1 } }
        : { body: { session, items: [sealed('result', base64(result()), 3), sealed('messages', null, 4)], next: null } };
    const { code, out } = await replay();
    assert.equal(code, 0);
    assert.deepEqual([api.seen[0]?.method, api.seen[0]?.body], ['POST', { purpose: 'incident 12', after: -1 }]);
    assert.deepEqual([...new Set(api.seen.map(({ query }) => query.size))], [0], 'nothing of it in an address');
    assert.match(out, /> SELECT ssn\n {2}FROM patients\n[\s\S]*ssn\n\*\*\*7\n[\s\S]*SELECT 1 {2}\(40 ms\)\nrecorded 1 of 9 rows/);
    assert.match(out, /messages was destroyed/);
  });

  test('keeps the timing when a speed is given', async () => {
    api.answer = () => ({
      body: { session, items: [sealed('statement', base64(Buffer.from('A')), 1), sealed('result', base64(result()), 3)], next: null },
    });
    const waits: number[] = [];
    await replay(['--speed', '2'], { onSleep: (ms) => waits.push(ms) });
    assert.deepEqual(waits, [1000, 10, 10]);
    assert.equal((await replay(['--speed', '-1'])).code, 2);
  });

  test('with --json every payload is one line', async () => {
    api.answer = () => ({ body: { session, items: [sealed('result', base64(result()), 3)], next: null } });
    const { out } = await replay(['--json']);
    const line = JSON.parse(out);
    assert.equal(line.rows, 9);
    assert.deepEqual(line.events[1].values, ['***7']);
  });

  test('what cannot be opened is said, and the exit is 1', async () => {
    api.answer = () => ({ body: { session, items: [sealed('statement', base64(Buffer.from('A')), 1)], next: null } });
    const wrong = await replay([], { files: { 'id.age': 'AGE-SECRET-KEY-1OTHER' } });
    assert.equal(wrong.code, 1);
    assert.match(wrong.out, /cannot be opened with this identity/);
    assert.doesNotMatch(wrong.out + wrong.err, /1OTHER/);
    api.answer = () => ({ body: { session, items: [sealed('result', base64(Buffer.from('junk')), 1)], next: null } });
    assert.equal((await replay()).code, 1);
    assert.equal((await replay([], { files: { 'id.age': 'no key here' } })).code, 2);
  });
});

describe('init', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-init-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const certificates = async (hosts: readonly string[]) => ({
    authority: { certificate: 'CA CERT\n', key: 'CA KEY\n' },
    server: { certificate: `CERT ${hosts.join(' ')}\n`, key: 'KEY\n' },
  });

  test('writes the pair with keys, secrets readable by the owner only, and says what to do next', async () => {
    const root = join(folder, 'a');
    const { code, out } = await cli(['init', root, '--host', 'gate.example.com', '--host', '10.0.0.1'], { deps: { certificates } });
    assert.equal(code, 0);
    for (const path of ['keys/log.key', 'keys/token.key', 'tls/server.key', 'offline/ca.key', 'offline/sealing-identity.txt']) {
      assert.equal(statSync(join(root, path)).mode & 0o777, 0o600, path);
    }
    assert.equal(readFileSync(join(root, 'tls/server.crt'), 'utf8'), 'CERT gate.example.com 10.0.0.1\n');
    assert.match(readFileSync(join(root, 'keys/log.key'), 'utf8'), /^PRIVATE\+KEY\+sallyport\.example\.com\/main\+/);
    assert.match(readFileSync(join(root, 'keys/token.key'), 'utf8'), /^[0-9a-f]{64}\n$/);
    const recipient = /age1[0-9a-z]+/.exec(readFileSync(join(root, 'offline/sealing-identity.txt'), 'utf8'))?.[0];
    assert.ok(recipient && readFileSync(join(root, 'sallyport.yaml'), 'utf8').includes(recipient));
    assert.match(out, /Move .*offline off this machine/);
    assert.doesNotMatch(out, /AGE-SECRET-KEY|PRIVATE\+KEY/);
  });

  test('touches nothing when one of its files exists', async () => {
    const root = mkdtempSync(join(folder, 'b-'));
    writeFileSync(join(root, 'policy.yaml'), 'mine');
    const { code, err } = await cli(['init', root], { deps: { certificates } });
    assert.equal(code, 2);
    assert.match(err, /already has policy\.yaml/);
    assert.deepEqual(readdirSync(root), ['policy.yaml']);
    assert.equal(readFileSync(join(root, 'policy.yaml'), 'utf8'), 'mine');
  });

  test('names that could not be loaded again are refused before anything is written', async () => {
    assert.equal((await cli(['init', join(folder, 'c'), '--target', 'Bad Name'], { deps: { certificates } })).code, 2);
    assert.equal((await cli(['init', join(folder, 'c'), '--origin', 'a b'], { deps: { certificates } })).code, 2);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name === 'c'),
      [],
    );
  });
});
