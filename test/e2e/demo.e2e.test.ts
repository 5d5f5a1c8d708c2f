// `sallyport demo --once`, as somebody who has just cloned the repository runs it.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sallyport } from '../support/small-clinic.ts';

const home = mkdtempSync(join(tmpdir(), 'sallyport-demo-test-'));
// Started by root, the database runs as another user, who must get to its files.
chmodSync(home, 0o755);
after(() => rmSync(home, { recursive: true, force: true }));

test('the demo plays its session, every step holds, its log verifies, and it ends by itself within a minute', async () => {
  const directory = join(home, 'kept');
  const demo = sallyport(['demo', '--once', '--postgres-port', '0', '--api-port', '0', '--directory', directory], { TMPDIR: home });
  const late = setTimeout(() => demo.kill('SIGKILL'), 60_000);
  const { code, out, err } = await demo.ended;
  clearTimeout(late);
  assert.equal(code, 0, out + err);
  assert.match(out, /Everything held\./);
  assert.doesNotMatch(out, /did not hold/);
  assert.equal(err, '');
  // Nothing of it stays behind but what was asked for, and the copy of PostgreSQL's programs that later runs use again.
  assert.deepEqual(
    readdirSync(home).filter((name) => !name.startsWith('sallyport-postgres-')),
    ['kept'],
  );
  const verified = await sallyport(['audit', 'verify', join(directory, 'data', 'audit'), '--key', join(directory, 'keys', 'log.vkey')])
    .ended;
  assert.equal(verified.code, 0, verified.out + verified.err);
  assert.match(verified.out, /whole and signed/);
});
