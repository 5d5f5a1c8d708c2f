import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { SallyportError } from '../core/error.ts';
import { resolveSecret, type SecretDeps, type SecretSource } from './resolve-secret.ts';

const baseDir = mkdtempSync(join(tmpdir(), 'sallyport-secret-'));
after(() => rmSync(baseDir, { recursive: true, force: true }));

const deps: SecretDeps = { environment: { DB_PASSWORD: 'hunter-4711', EMPTY: '', PATH: process.env['PATH'] }, baseDir };
const reveal = async (source: SecretSource, more: Partial<SecretDeps> = {}) => (await resolveSecret(source, { ...deps, ...more })).reveal();

function refused(source: SecretSource, pattern: RegExp, more: Partial<SecretDeps> = {}): Promise<void> {
  return assert.rejects(resolveSecret(source, { ...deps, ...more }), (fault) => {
    assert.ok(fault instanceof SallyportError);
    assert.equal(fault.code, 'SP_CONFIG_INVALID');
    assert.match(fault.message, pattern);
    assert.doesNotMatch(inspect(fault, { depth: 9 }), /hunter-4711/);
    return true;
  });
}

function file(name: string, content: string | Uint8Array, mode = 0o600): { file: string } {
  writeFileSync(join(baseDir, name), content);
  chmodSync(join(baseDir, name), mode);
  return { file: name };
}

const run = (script: string): SecretSource => ({ command: [process.execPath, '-e', script] });

describe('a secret', () => {
  it('comes from an environment variable and never prints itself', async () => {
    const secret = await resolveSecret({ env: 'DB_PASSWORD' }, deps);
    assert.equal(secret.reveal(), 'hunter-4711');
    assert.equal([String(secret), JSON.stringify(secret), inspect(secret)].join(' ').includes('4711'), false);
  });

  it('is refused when the variable is not set or empty', async () => {
    await refused({ env: 'NOT_THERE' }, /environment variable NOT_THERE: it is not set/);
    await refused({ env: 'EMPTY' }, /it is empty/);
    await refused({ env: 'constructor' }, /it is not set/);
  });

  it('comes from a file, without its last line end only', async () => {
    assert.equal(await reveal(file('a', 'hunter-4711\n')), 'hunter-4711');
    assert.equal(await reveal(file('b', 'hunter-4711\r\n')), 'hunter-4711');
    assert.equal(await reveal(file('c', ' two\nlines \n\n')), ' two\nlines \n');
    assert.equal(await reveal({ file: join(baseDir, 'a') }), 'hunter-4711');
    symlinkSync('a', join(baseDir, 'link'));
    assert.equal(await reveal({ file: 'link' }), 'hunter-4711');
  });

  it('is refused in a file that others can read or change', async () => {
    for (const mode of [0o604, 0o644, 0o602, 0o660, 0o666]) {
      await refused(file('open', 'hunter-4711', mode), /other users can read or change it/);
    }
    assert.equal(await reveal(file('group', 'x', 0o440)), 'x');
  });

  it('is refused when the file is missing, a directory, empty, too large or not text', async () => {
    await refused({ file: 'missing' }, /it cannot be read/);
    await refused({ file: '.' }, /it is not a file|cannot be read/);
    await refused(file('empty', '\n'), /it is empty/);
    await refused(file('large', 'hunter-4711'.repeat(10_000)), /larger/);
    await refused(file('binary', Uint8Array.of(0xff, 0xfe)), /not UTF-8/);
  });

  it('comes from the output of a command, which gets no shell', async () => {
    assert.equal(await reveal(run('console.log(process.env.DB_PASSWORD)')), 'hunter-4711');
    assert.equal(await reveal({ command: ['echo', '$DB_PASSWORD; id'] }), '$DB_PASSWORD; id');
  });

  it('is refused when the command fails, and nothing it wrote is repeated', async () => {
    await refused(run('console.log("hunter-4711"); console.error("hunter-4711"); process.exit(3)'), /status 3/);
    await refused({ command: ['/does/not/exist', 'hunter-4711'] }, /cannot be run/);
    await refused({ command: [] }, /names no program/);
    await refused(run(''), /it is empty/);
  });

  it('is refused when the command writes without end or never answers', async () => {
    await refused({ command: ['yes', 'hunter-4711'] }, /more than 65536 bytes/);
    await refused({ command: ['sleep', '30'] }, /no answer within 50 ms/, { commandTimeoutMs: 50 });
  });

  it('is refused when the wait is interrupted', async () => {
    const controller = new AbortController();
    const wait = resolveSecret({ command: ['sleep', '30'] }, deps, controller.signal);
    controller.abort();
    await assert.rejects(wait, SallyportError);
    await assert.rejects(resolveSecret({ command: ['sleep', '30'] }, deps, AbortSignal.abort()), SallyportError);
  });
});
