import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { approvalOf, describeApprovalStore } from '../../test/conformance/approval-store.ts';
import { describeAccessStores } from '../../test/conformance/grant-store.ts';
import { describeBoundColumns } from '../../test/conformance/bound-columns.ts';
import { describePolicyVersions } from '../../test/conformance/policy-versions.ts';
import { describeSessionIndex, logOf } from '../../test/conformance/session-index.ts';
import { createMemoryStore } from '../../test/support/memory-store.ts';
import { SallyportError, type ErrorCode } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import { lockDataDirectory } from './data-directory.ts';
import { openStore, requireSafeSqlite, type Store } from './open-store.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
after(() => rmSync(root, { recursive: true, force: true }));
let directories = 0;
const newDir = () => join(root, String(directories++));
const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;

async function sqlite<Key extends 'approvals' | 'sessions' | 'policies' | 'boundColumns'>(key: Key) {
  const store = await openStore({ dir: newDir() });
  return { port: store[key] as Store[Key], close: () => store.close() };
}
function memory<Key extends 'approvals' | 'sessions' | 'policies' | 'boundColumns'>(key: Key) {
  return { port: createMemoryStore()[key] as Store[Key], close: async () => {} };
}

describeApprovalStore('SQLite', () => sqlite('approvals'));
describeApprovalStore('memory', async () => memory('approvals'));
describeSessionIndex('SQLite', () => sqlite('sessions'));
describeSessionIndex('memory', async () => memory('sessions'));
describePolicyVersions('SQLite', () => sqlite('policies'));
describePolicyVersions('memory', async () => memory('policies'));
describeBoundColumns('SQLite', () => sqlite('boundColumns'));
describeBoundColumns('memory', async () => memory('boundColumns'));

describeAccessStores('SQLite', async () => {
  const store = await openStore({ dir: newDir() });
  return { port: store, close: () => store.close() };
});
describeAccessStores('memory', async () => ({ port: createMemoryStore(), close: async () => {} }));

describe('the SQLite store', () => {
  it('has everything again after it was closed and opened', async () => {
    const dir = newDir();
    const first = await openStore({ dir });
    await first.approvals.create(approvalOf());
    await first.sessions.apply(logOf([{ type: 'log.opened' }]));
    await first.close();
    const second = await openStore({ dir });
    assert.deepEqual(await second.approvals.get(approvalOf().id), approvalOf());
    assert.equal(await second.sessions.position(), 1);
    await second.close();
  });

  it('keeps bound columns over a restart, and gives none when one of them cannot be read', async () => {
    const dir = newDir();
    const at = ['clinic' as TargetName, { cluster: '1', database: 5 }] as const;
    const added = [{ name: ['public', 'patients', 'ssn'] as const, relation: 16_400, attnum: 3 }];
    const first = await openStore({ dir });
    await first.boundColumns.record(...at, { added, dropped: [] });
    await first.close();
    for (const damage of [null, 'no JSON', '["a","b"]', '["a","b",1]', '{}']) {
      const other = new DatabaseSync(join(dir, 'state.sqlite'));
      if (damage !== null) other.prepare('update bound_columns set name = ?').run(damage);
      other.close();
      const store = await openStore({ dir });
      if (damage === null) assert.deepEqual(await store.boundColumns.load(...at), { columns: added, isMoved: false });
      else await assert.rejects(store.boundColumns.load(...at), code('SP_STORE_UNAVAILABLE'), damage);
      await store.close();
    }
  });

  it('lists more approvals than one query takes parameters, each with its own answers', async () => {
    const dir = newDir();
    const store = await openStore({ dir });
    const template = approvalOf();
    await store.approvals.create(template);
    const answer = { by: { issuer: 'corp', subject: 'bob', kind: 'person' }, verdict: 'approve', atMs: 1 } as const;
    await store.approvals.answer(template.id, answer, 'pending');
    const other = new DatabaseSync(join(dir, 'state.sqlite'));
    other.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < 33000)
      insert into approvals (id, state, session, binding_sha256, body, created_at_ms, expires_at_ms)
      select 'apr_' || i, state, session, binding_sha256, body, created_at_ms, expires_at_ms from approvals, n`);
    other.close();
    const listed = await store.approvals.list({ state: 'pending', limit: 100_000 });
    assert.equal(listed.length, 33_001);
    assert.deepEqual(
      listed.filter(({ answers }) => answers.length > 0).map(({ answers }) => answers),
      [[answer]],
    );
    await store.close();
  });

  it('uses a write-ahead log and full synchronisation for state', async () => {
    const dir = newDir();
    const store = await openStore({ dir });
    const reader = new DatabaseSync(join(dir, 'state.sqlite'), { readOnly: true });
    assert.equal(reader.prepare('pragma journal_mode').get()?.['journal_mode'], 'wal');
    reader.close();
    await store.close();
  });

  it('keeps its files from other users', async () => {
    const dir = newDir();
    const store = await openStore({ dir });
    await store.approvals.create(approvalOf());
    for (const name of ['state.sqlite', 'state.sqlite-wal', 'index.sqlite']) {
      assert.equal(statSync(join(dir, name)).mode & 0o077, 0, name);
    }
    await store.close();
  });

  it('fails closed with SP_STORE_UNAVAILABLE after it was closed', async () => {
    const store = await openStore({ dir: newDir() });
    await store.approvals.create(approvalOf());
    await store.close();
    await assert.rejects(store.approvals.get(approvalOf().id), code('SP_STORE_UNAVAILABLE'));
    await assert.rejects(store.approvals.transition(approvalOf().id, 'pending', 'used'), code('SP_STORE_UNAVAILABLE'));
    await assert.rejects(store.sessions.position(), code('SP_STORE_UNAVAILABLE'));
  });

  it('fails with SP_STORE_UNAVAILABLE while another process holds the write lock, and works again after', async () => {
    const dir = newDir();
    const store = await openStore({ dir });
    const other = new DatabaseSync(join(dir, 'state.sqlite'));
    other.exec('begin immediate');
    const answer = { by: { issuer: 'corp', subject: 'bob', kind: 'person' as const }, verdict: 'approve' as const, atMs: 1 };
    await assert.rejects(store.approvals.create(approvalOf()), code('SP_STORE_UNAVAILABLE'));
    await assert.rejects(store.approvals.answer(approvalOf().id, answer, 'approved'), code('SP_STORE_UNAVAILABLE'));
    other.exec('rollback');
    other.close();
    await store.approvals.create(approvalOf());
    assert.equal((await store.approvals.answer(approvalOf().id, answer, 'approved'))?.state, 'approved');
    await store.close();
  });

  it('refuses a file that is no database', async () => {
    const dir = newDir();
    await (await openStore({ dir })).close();
    writeFileSync(join(dir, 'state.sqlite'), 'x'.repeat(8192));
    await assert.rejects(openStore({ dir }), code('SP_STORE_UNAVAILABLE'));
  });

  it('refuses a truncated database', async () => {
    const dir = newDir();
    await (await openStore({ dir })).close();
    truncateSync(join(dir, 'state.sqlite'), 8192);
    await assert.rejects(openStore({ dir }), code('SP_STORE_UNAVAILABLE'));
  });

  it('refuses state that a newer version has changed', async () => {
    const dir = newDir();
    await (await openStore({ dir })).close();
    const other = new DatabaseSync(join(dir, 'state.sqlite'));
    other.exec("insert into kysely_migration (name, timestamp) values ('999-from-the-future', '2030-01-01')");
    other.close();
    await assert.rejects(openStore({ dir }), code('SP_STORE_UNAVAILABLE'));
  });

  it('refuses a directory that cannot be made', async () => {
    writeFileSync(join(root, 'file'), '');
    await assert.rejects(openStore({ dir: join(root, 'file', 'state') }), code('SP_STORE_UNAVAILABLE'));
  });

  it('does not leak what a statement carried into its errors', async () => {
    const dir = newDir();
    const store = await openStore({ dir });
    const other = new DatabaseSync(join(dir, 'state.sqlite'));
    other.exec('begin immediate');
    await assert.rejects(store.approvals.create(approvalOf({ say: 'marker-4711' })), (fault) => {
      assert.ok(fault instanceof SallyportError);
      assert.doesNotMatch(fault.message, /marker-4711/);
      return true;
    });
    other.close();
    await store.close();
  });

  it('refuses versions of SQLite whose write-ahead log can corrupt the file', () => {
    for (const bad of ['3.51.2', '3.45.1', '3.50.9', '2.99.99', '', 'x']) {
      assert.throws(() => requireSafeSqlite(bad), code('SP_STORE_UNAVAILABLE'), bad);
    }
    for (const good of ['3.51.3', '3.51.10', '3.53.4', '4.0.0']) requireSafeSqlite(good);
  });
});

describe('the lock of the data directory', () => {
  it('refuses a second gateway, names its process, and is free after release', () => {
    const dir = newDir();
    const lock = lockDataDirectory(dir);
    assert.throws(
      () => lockDataDirectory(dir),
      (fault) => code('SP_DATA_DIR_LOCKED')(fault) && (fault as Error).message.includes(String(process.pid)),
    );
    assert.throws(() => lockDataDirectory(dir), code('SP_DATA_DIR_LOCKED'), 'a refused attempt does not break the lock');
    lock.release();
    lock.release();
    lockDataDirectory(dir).release();
  });

  it('is held against another process, and the kernel frees it when that process is killed', async () => {
    const dir = newDir();
    const script = `import { lockDataDirectory } from ${JSON.stringify(new URL('data-directory.ts', import.meta.url).href)};
      lockDataDirectory(${JSON.stringify(dir)}); globalThis.gc(); console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      assert.throws(
        () => lockDataDirectory(dir),
        (fault) => code('SP_DATA_DIR_LOCKED')(fault) && (fault as Error).message.includes(String(child.pid)),
      );
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    lockDataDirectory(dir).release();
    assert.equal(readFileSync(join(dir, 'gateway.pid'), 'utf8').trim(), String(process.pid));
  });

  it('says that it cannot lock when the directory cannot be used', () => {
    writeFileSync(join(root, 'plain'), '');
    assert.throws(() => lockDataDirectory(join(root, 'plain')), code('SP_STORE_UNAVAILABLE'));
  });
});

describe('log-ins to the console', () => {
  it('are kept over a restart, end once, and are forgotten a while after their end', async () => {
    const dir = newDir();
    const row = (sha256: string, createdAtMs: number) => ({
      sha256,
      principal: 'corp/olga',
      sealed: 'sealed',
      createdAtMs,
      expiresAtMs: 9_000,
    });
    const first = await openStore({ dir });
    await first.consoleSessions.create(row('a', 1));
    await first.consoleSessions.create(row('b', 2));
    await assert.rejects(first.consoleSessions.create(row('a', 3)));
    await first.consoleSessions.seen('a', 5);
    await first.consoleSessions.end('b', 6);
    await first.consoleSessions.end('b', 7);
    await first.close();
    await assert.rejects(first.consoleSessions.get('a'), code('SP_STORE_UNAVAILABLE'));
    const second = await openStore({ dir });
    const { consoleSessions } = second;
    assert.deepEqual(await consoleSessions.get('a'), { ...row('a', 1), seenAtMs: 5, endedAtMs: null });
    assert.deepEqual(await consoleSessions.get('b'), { ...row('b', 2), sealed: '', seenAtMs: 2, endedAtMs: 6 });
    await consoleSessions.create(row('c', 3));
    assert.deepEqual(await consoleSessions.liveOf('corp/olga'), ['c', 'a'], 'newest first');
    assert.deepEqual(await consoleSessions.liveOf('corp/carl'), []);
    await consoleSessions.prune(9_000);
    assert.ok(await consoleSessions.get('a'));
    await consoleSessions.prune(9_001);
    assert.equal(await consoleSessions.get('a'), null);
    await second.close();
  });
});
