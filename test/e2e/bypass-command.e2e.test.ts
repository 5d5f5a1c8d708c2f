// `npm run bypass` as somebody calls it who attacks the masking: what it prints, and that it ends with 1 when there is something to see.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { corpusDirectory } from '../bypass/cases.ts';
import { type Ended, run } from '../support/small-clinic.ts';

const script = join(import.meta.dirname, '../../scripts/bypass.ts');
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bypass-command-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const command = (...args: readonly string[]): Promise<Ended> => run(process.execPath, [script, '--server', 'embedded', ...args]).ended;

test('cases of the corpus pass with 0, given as files and by name', async () => {
  const files = ['--cases', join(corpusDirectory, 'cases.json'), '--only', 'direct-column,clean-01'];
  const { code, out, err } = await command(...files);
  assert.equal(code, 0, out + err);
  assert.match(out, /adversarial\s+1 cases: 1 answered masked, 0 refused/);
  assert.match(out, /leaks\s+0\n\s+distinguishable pairs\s+0\n/);
  assert.match(out, /usability\s+1 cases: 1 byte-identical, 0 not/);
});

// A runner that finds nothing proves nothing.
test('behind a policy that protects something else it tells leaks and oracles, and ends with 1', async () => {
  const policy = join(folder, 'policy.json');
  writeFileSync(policy, JSON.stringify({ protected: { 'public.clinics': ['city'] }, safeFunctions: [] }));
  const files = ['schema', 'twin'].flatMap((name) => [
    `--${name}`,
    join(corpusDirectory, name === 'schema' ? 'schema.sql' : 'schema-twin.sql'),
  ]);
  const { code, out } = await command('--policy', policy, ...files, '--only', 'direct-column,own-limit,own-sha');
  assert.equal(code, 1, out);
  for (const id of ['direct-column', 'own-limit', 'own-sha']) assert.match(out, new RegExp(`^FAIL\\s+${id}\\s`, 'm'));
  assert.match(out, /^FAIL\s+direct-column\s+LEAK/m);
});
