// The evidence of a real gateway's day: exported over the API and from its disk, verified by us, by the file in the bundle, and by the
// guide in the bundle with sha256sum, OpenSSL and Go, exactly as it is written there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogKey, parseSigningKey } from '../../src/audit/index.ts';
import { exportTo, loadVerifier } from '../../src/evidence/index.ts';
import { evidenceLog, fillLog, origin } from '../support/evidence-log.ts';
import { clerkOf, clinicTests, officerOf } from '../support/clinic-tests.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import type { TestGateway } from '../support/gateway.ts';
import { apiEnvironment, auditEntries, connect, type Ended, sallyport } from '../support/small-clinic.ts';

const tests = clinicTests();
const root = mkdtempSync(join(tmpdir(), 'sallyport-evidence-e2e-'));
after(() => rmSync(root, { recursive: true, force: true }));
const secret = '078-05-1120';

async function run(gateway: TestGateway, token: string, ...args: readonly string[]): Promise<Ended> {
  const running = sallyport(args, apiEnvironment(gateway, gateway.running.api.port, token));
  running.end();
  return running.ended;
}

function alone(bundle: string, ...args: readonly string[]) {
  // An empty folder, no environment: what an auditor's machine has.
  const cwd = mkdtempSync(join(root, 'auditor-'));
  return spawnSync(process.execPath, [join(bundle, 'verify.mjs'), ...args], { cwd, encoding: 'utf8', env: {} });
}

async function day(gateway: TestGateway): Promise<void> {
  const agent = await connect(gateway, gateway.port, await gateway.issuer.token('agent-1', { groups: ['ai-agents'] }));
  await agent.query('SELECT id, ssn, dob FROM patients WHERE id = 7');
  await agent.query(`SELECT name FROM patients WHERE ssn = '${secret}' LIMIT 1 -- ${secret}`);
  await agent.query('SELECT name FROM patients WHERE id = $1', [3]);
  await assert.rejects(agent.query("INSERT INTO scratch (body) VALUES ('x')"));
  await agent.end();
  const clerk = await connect(gateway, gateway.port, await clerkOf(gateway));
  await clerk.query("INSERT INTO scratch (body) VALUES ('x')");
  await clerk.end();
}

/** The guide's shell blocks, joined, and its Go programme. */
function guideOf(bundle: string): { shell: string; go: string } {
  const text = readFileSync(join(bundle, 'VERIFY.md'), 'utf8');
  const blocks = (language: string): string[] =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]!);
  return { shell: blocks('sh').join('\n'), go: blocks('go').join('\n') };
}

test('an auditor exports the evidence of a day, and it holds without the gateway; everybody else is refused', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const from = new Date(Date.now() - 60_000).toISOString();
  await day(gateway);
  const to = new Date(Date.now() + 1).toISOString();
  const [folder, zip] = [join(root, 'day'), join(root, 'day.zip')];

  const refused = await run(gateway, await clerkOf(gateway), 'evidence', 'export', '--from', from, '--to', to, '-o', folder);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /SP_API_FORBIDDEN/);
  assert.equal(existsSync(folder), false);

  for (const output of [folder, zip]) {
    const made = await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', output);
    assert.equal(made.code, 0, made.err);
  }
  const again = await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', folder);
  assert.equal(again.code, 2);
  assert.match(again.err, /exists/);

  // Each export is in the log, with who asked for it; nothing of it is left on the disk of the gateway.
  const entries = await auditEntries(gateway, gateway.running.api.port, officer);
  const exported = entries.filter(({ type }) => type === 'evidence.exported');
  assert.deepEqual(
    exported.map(({ principal }) => principal?.subject),
    ['olivia', 'olivia'],
  );
  assert.deepEqual(readdirSync(join(gateway.directory, 'data', 'evidence')), []);

  const { vkey } = gateway.running;
  const keyFile = join(gateway.directory, 'keys', 'log.vkey');
  for (const bundle of [folder, zip]) {
    const { code, out, err } = await run(gateway, officer, 'evidence', 'verify', bundle, '--key', keyFile, '--json');
    assert.equal(code, 0, out + err);
    const verdict = JSON.parse(out) as { ok: boolean; checked: { entries: number; policies: number } };
    assert.equal(verdict.checked.policies, 1);
    assert.ok(verdict.checked.entries > 10);
    const byItself = alone(folder, bundle, '--key', vkey, '--json');
    assert.equal(byItself.status, 0, byItself.stderr);
    assert.deepEqual(JSON.parse(byItself.stdout), JSON.parse(out));
  }
  const told = await run(gateway, officer, 'evidence', 'verify', folder, '--key', vkey);
  assert.match(told.out, /proven {6}the range is complete[\s\S]*the evidence holds/);

  const report = readFileSync(join(folder, 'report.html'), 'utf8');
  assert.match(report, /corp\/agent-1/);
  assert.doesNotMatch(report, /<script|https?:\/\/|src=|url\(/);
  assert.match(readFileSync(join(folder, 'records', 'requests.csv'), 'utf8'), /,allowed,corp,agent-1,.*ssn: phi\.ssn as /);
  // No protected value anywhere in what leaves the gateway.
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) assert.equal(readFileSync(join(entry.parentPath, entry.name)).includes(secret), false, entry.name);
  }

  // A row of somebody else's making.
  const path = join(folder, 'records', 'denials.csv');
  const lines = readFileSync(path, 'utf8').split('\r\n');
  writeFileSync(path, [lines[0], ...lines.slice(2)].join('\r\n'));
  const forged = await run(gateway, officer, 'evidence', 'verify', folder, '--key', vkey);
  assert.equal(forged.code, 1);
  assert.match(
    forged.out,
    /record-altered {2}records\/denials\.csv: it is not what the log says, first in line 2[\s\S]*next {8}Compare the SHA-256[\s\S]*does NOT hold/,
  );
});

test('the guide in the bundle works as it is written, with sha256sum, OpenSSL and Go, and refuses what our verifier refuses', async () => {
  ensureDebianPackages(['golang-go', 'golang-golang-x-mod-dev', 'openssl', 'coreutils']);
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const agent = await connect(gateway, gateway.port, await gateway.issuer.token('agent-1', { groups: ['ai-agents'] }));
  for (let count = 0; count < 200; count += 1) await agent.query('SELECT name FROM patients WHERE id = 1');
  const from = new Date().toISOString();
  for (let count = 0; count < 200; count += 1) await agent.query('SELECT name FROM patients WHERE id = 1');
  await agent.end();
  const to = new Date(Date.now() + 1).toISOString();
  await connect(gateway, gateway.port, await clerkOf(gateway)).then((clerk) => clerk.end());
  const folder = join(root, 'guide');
  assert.equal((await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', folder)).code, 0);
  const { vkey } = gateway.running;

  const { shell, go } = guideOf(folder);
  const script = join(root, 'guide.sh');
  writeFileSync(script, `set -e\n${shell}`);
  const follow = (bundle: string, key = vkey) => {
    const { status, stdout, stderr } = spawnSync('sh', [script], {
      cwd: bundle,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], VKEY: key },
    });
    return { status, output: stdout + stderr };
  };
  const followed = follow(folder);
  assert.equal(followed.status, 0, followed.output);
  assert.equal(followed.output.match(/Signature Verified Successfully/g)?.length, 3);

  const source = join(root, 'go');
  mkdirSync(source);
  writeFileSync(join(source, 'check-log.go'), go);
  const binary = join(root, 'check-log');
  // Debian's Go and Debian's x/mod: nothing is fetched.
  const built = spawnSync(existsSync('/usr/bin/go') ? '/usr/bin/go' : 'go', ['build', '-o', binary, join(source, 'check-log.go')], {
    encoding: 'utf8',
    env: { ...process.env, GOPATH: '/usr/share/gocode', GO111MODULE: 'off', GOFLAGS: '', GOROOT: '', GOCACHE: join(root, 'go-cache') },
  });
  assert.equal(built.status, 0, built.stderr);
  const end = /check-log \. "\$VKEY" (\d+)/.exec(readFileSync(join(folder, 'VERIFY.md'), 'utf8'))?.[1] ?? '';
  const checkLog = (bundle: string, key = vkey) => spawnSync(binary, [bundle, key, end], { encoding: 'utf8' });
  const { status, stdout } = checkLog(folder);
  const verdict = JSON.parse(alone(folder, folder, '--key', vkey, '--json').stdout) as {
    ok: boolean;
    range: { first: number; end: number };
    checkpoint: { size: number };
  };
  assert.equal(verdict.ok, true);
  assert.ok(verdict.range.first > 256 && verdict.range.end - verdict.range.first > 256 && verdict.range.end < verdict.checkpoint.size);
  assert.equal(stdout, `ok: entries ${verdict.range.first} to ${verdict.range.end} of ${verdict.checkpoint.size}\n`);
  assert.equal(status, 0);

  // While the key is being changed: the signatures of the old key and of a witness stand around the one that counts.
  const changing = await evidenceLog(loadVerifier);
  await fillLog(changing);
  const note = await changing.log.publish();
  const split = note.indexOf('\n\n') + 2;
  const [before, foreign] = [origin, 'witness.example.org'].map((name) => {
    const signed = parseSigningKey(createLogKey(name).signingKey, name).sign(note.slice(0, split - 1));
    return signed.slice(split);
  });
  writeFileSync(join(changing.dir, 'log', 'checkpoint'), `${note.slice(0, split)}${before}${note.slice(split)}${foreign}`);
  const several = join(root, 'several');
  const whole = { from: '2026-01-01T00:00:00.000Z', to: '2027-01-01T00:00:00.000Z', principal: null, target: null };
  await exportTo(several, whole, changing.deps());
  writeFileSync(join(changing.dir, 'log', 'checkpoint'), note);
  assert.equal(readFileSync(join(several, 'log', 'checkpoint'), 'utf8').split('\n\u2014 ').length, 4);
  const signedBy = follow(several, changing.key.vkey);
  assert.equal(signedBy.status, 0, signedBy.output);
  assert.equal(signedBy.output.match(/Signature Verified Successfully/g)?.length, 3);
  const size = Number(note.split('\n')[1]);
  const bySeveral = spawnSync(binary, [several, changing.key.vkey, String(size)], { encoding: 'utf8' });
  assert.equal(bySeveral.stdout, `ok: entries 0 to ${size} of ${size}\n`);
  assert.equal(alone(several, several, '--key', changing.key.vkey).status, 0);
  assert.notEqual(follow(several, createLogKey(origin).vkey).status, 0);
  await changing.close();

  const other = spawnSync('cp', ['-r', folder, join(root, 'guide-changed')]);
  assert.equal(other.status, 0);
  const copy = join(root, 'guide-changed');
  const entryFile = join(copy, 'log', 'tile', 'entries', '002');
  const bytes = readFileSync(entryFile);
  bytes[100]! ^= 1;
  writeFileSync(entryFile, bytes);
  assert.equal(checkLog(copy).status, 1);
  assert.notEqual(follow(copy).status, 0);
  assert.equal(alone(folder, copy, '--key', vkey).status, 1);
  writeFileSync(join(folder, 'more.txt'), 'added');
  assert.notEqual(follow(folder).status, 0);
});

test('the same evidence comes from the disk of a gateway that does not run', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const from = new Date(Date.now() - 60_000).toISOString();
  await day(gateway);
  const to = new Date(Date.now() + 1).toISOString();
  await gateway.running.stop();
  const folder = join(root, 'offline');
  const offline = ['--offline', '-c', gateway.configFile, '--json'];
  const made = await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', folder, ...offline);
  assert.equal(made.code, 0, made.err);
  assert.deepEqual((JSON.parse(made.out) as { policiesMissing: number }).policiesMissing, 0);
  const zips = ['one.zip', 'two.zip'].map((name) => join(root, name));
  for (const zip of zips)
    assert.equal((await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', zip, ...offline)).code, 0);
  assert.ok(readFileSync(zips[0]!).equals(readFileSync(zips[1]!)));
  const { vkey } = gateway.running;
  for (const bundle of [folder, zips[0]!]) assert.equal(alone(folder, bundle, '--key', vkey).status, 0);
  // Somebody who has the disk but not the key of this log.
  writeFileSync(join(gateway.directory, 'keys', 'log.key'), createLogKey('audit.test/e2e').signingKey.reveal());
  const foreign = await run(gateway, officer, 'evidence', 'export', '--from', from, '--to', to, '-o', join(root, 'foreign'), ...offline);
  assert.equal(foreign.code, 2, foreign.err);
});
