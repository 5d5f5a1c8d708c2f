import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Secret } from '../core/secret.ts';
import { TOKEN_KEY_SETTING } from '../masking/index.ts';
import type { ConfigDocument } from './config-schema.ts';
import { readTokenKeys, tokenSpaceOf } from './token-keys.ts';

const read = (
  document: Pick<ConfigDocument, 'tokenKey' | 'tokenKeys'>,
  secret = (name: string) => name.repeat(40),
): ReturnType<typeof readTokenKeys> =>
  readTokenKeys(document as ConfigDocument, async (reference) => new Secret('env' in reference ? secret(reference.env) : ''));

test('one key is the active key 1, and its digests are those of earlier versions', async () => {
  const keys = await read({ tokenKey: { env: 'a' } });
  assert.deepEqual(
    keys.map(({ id, state }) => [id, state]),
    [['1', 'active']],
  );
  const settings = new Map(tokenSpaceOf(keys, 'clinic').settings);
  assert.equal(settings.get(TOKEN_KEY_SETTING), createHmac('sha256', 'a'.repeat(40)).update('sallyport token key\0clinic').digest('hex'));
  assert.equal(settings.size, 2);
  assert.ok([...settings.values()].every((value) => /^[0-9a-f]{64}$/.test(value)) && new Set(settings.values()).size === 2);
});

test('tokens of the key that was the only one are read after it was rotated out', async () => {
  const before = tokenSpaceOf(await read({ tokenKey: { env: 'a' } }), 'clinic');
  const keys = await read({
    tokenKeys: [
      { id: '2', state: 'active', secret: { env: 'b' } },
      { id: '1', state: 'decrypt-only', secret: { env: 'a' } },
      { id: '0', state: 'expired' },
    ],
  });
  const token = before.issue('phi.mrn', 'M-7');
  assert.deepEqual(tokenSpaceOf(keys, 'clinic').open('phi.mrn', token), { value: 'M-7' });
  assert.deepEqual(tokenSpaceOf(keys, 'lab').open('phi.mrn', token), { fault: 'forged' });
});

test('a short secret refuses to start, and is not told', async () => {
  const short = (): string => 'too-short';
  await assert.rejects(read({ tokenKey: { env: 'a' } }, short), { code: 'SP_CONFIG_INVALID', message: /^tokenKey: shorter than 32/ });
  const keys = { tokenKeys: [{ id: '2', state: 'active' as const, secret: { env: 'b' } }] };
  await assert.rejects(
    read(keys, short),
    (fault: Error) => fault.message.startsWith('tokenKeys[0].secret: shorter') && !fault.message.includes('too-short'),
  );
});
