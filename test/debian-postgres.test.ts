import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { debianPostgresBin } from './support/debian-postgres.ts';

describe('PostgreSQL of Debian', () => {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-debian-postgres-'));
  after(() => rmSync(root, { recursive: true }));
  for (const [version, ...files] of [
    ['9.6', 'bin/initdb'],
    ['15', 'bin/initdb', 'bin/pgbench'],
    ['17', 'bin/initdb'],
    ['18', 'bin/psql'],
  ]) {
    mkdirSync(join(root, version ?? '', 'bin'), { recursive: true });
    for (const file of files) writeFileSync(join(root, version ?? '', file), '');
  }

  it('the newest server is the one with the greatest number, and a client alone is none', () => {
    assert.equal(debianPostgresBin({ root }), join(root, '17', 'bin'));
    rmSync(join(root, '17', 'bin', 'initdb'));
    assert.equal(debianPostgresBin({ root }), join(root, '15', 'bin'));
  });

  it('only a server with what is wanted beside it is taken', () => {
    assert.equal(debianPostgresBin({ root, beside: 'bin/pgbench' }), join(root, '15', 'bin'));
    assert.equal(debianPostgresBin({ root, beside: 'lib/dblink.so' }), null);
    assert.equal(debianPostgresBin({ root, major: 9.6 }), join(root, '9.6', 'bin'));
    assert.equal(debianPostgresBin({ root, major: 9.6, beside: 'bin/pgbench' }), null);
    assert.equal(debianPostgresBin({ root, major: 18 }), null);
    assert.equal(debianPostgresBin({ root: join(root, 'nowhere') }), null);
  });
});
