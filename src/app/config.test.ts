import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const recipient = `age1${'q'.repeat(58)}`;

const good = `version: 1
dataDirectory: ./data
listeners:
  - protocol: postgres
    address: 127.0.0.1:6432
    tls: { certificate: ./tls/server.crt, key: ./tls/server.key }
api:
  address: 127.0.0.1:8443
  tls: { certificate: ./tls/server.crt, key: ./tls/server.key }
identity:
  providers:
    - { name: corp, issuer: https://idp.example.com, audience: sallyport }
targets:
  - name: clinic
    protocol: postgres
    address: db.internal:5432
    database: clinic
    user: sallyport
    password: { env: CLINIC_PASSWORD }
policy: { files: [policy.yaml] }
audit:
  origin: audit.example.com/main
  signingKey: { file: ./keys/log.key }
  recipients: [${recipient}]
tokenKey: { file: ./keys/token.key }
`;

async function faultsOf(text: string): Promise<string> {
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, text);
  try {
    await loadConfig(file);
  } catch (fault) {
    return (fault as Error).message.replaceAll(file, 'sallyport.yaml');
  }
  return '';
}

test('a complete configuration loads with safe defaults', async () => {
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, good);
  const config = await loadConfig(file);
  const [target] = config.document.targets;
  assert.ok(target?.protocol === 'postgres');
  assert.equal(target.tls.mode, 'verify-full');
  assert.deepEqual(target.searchPath, ['public']);
  assert.equal(config.document.limits.maxSessions, 1000);
  assert.deepEqual(config.document.listeners[0]?.address, { host: '127.0.0.1', port: 6432 });
  assert.equal(config.path('./data'), join(folder, 'data'));
});

test('an unknown key is refused at its place with a suggestion', async () => {
  assert.match(
    await faultsOf(good.replace('dataDirectory:', 'dataDirctory:')),
    /sallyport\.yaml:2:1 dataDirctory: unknown key, did you mean "dataDirectory"\?/,
  );
});

test('the number of workers is 1, a number, or auto', async () => {
  const workersOf = async (text: string): Promise<unknown> => {
    const file = join(folder, 'sallyport.yaml');
    writeFileSync(file, text);
    return (await loadConfig(file)).document.limits.workers;
  };
  assert.equal(await workersOf(good), 1);
  assert.equal(await workersOf(`${good}\nlimits: { workers: 4 }\n`), 4);
  assert.equal(await workersOf(`${good}\nlimits: { workers: auto }\n`), 'auto');
  for (const wrong of ['0', '-1', '1.5', '257', 'all', '"4"']) {
    assert.match(await faultsOf(`${good}\nlimits: { workers: ${wrong} }\n`), /:27:\d+ limits\.workers: /);
  }
});

test('the log has an anchor without being told, and anchors, retention and second persons that cannot work are refused', async () => {
  const audit = (more: string): string => good.replace('  recipients:', `  ${more}\n  recipients:`);
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, audit('retention: { payloads: 90d, headers: 6y }'));
  const { document } = await loadConfig(file);
  assert.deepEqual(document.audit.anchors, [{ name: 'beside', kind: 'file' }]);
  assert.deepEqual(document.audit.retention, { payloads: 90 * 86_400_000, headers: 6 * 366 * 86_400_000 });
  const one = (fields: string): string => audit(`anchors: [{ name: a, ${fields} }]`);
  for (const [text, fault] of [
    [audit('anchors: []'), /audit\.anchors: at least one anchor/],
    [one('kind: https, url: "http://siem.example.com/"'), /audit\.anchors\[0\]\.url: .*https/],
    [one('kind: https, url: "https://user:word@siem.example.com/"'), /url: it holds credentials/],
    [
      one('kind: https, url: "https://siem.example.com/", authorization: "Bearer abc"'),
      /authorization: has none of the forms allowed here/,
    ],
    [one('kind: witness, url: "https://w.example.com", vkey: "w+1234abcd+AAAA"'), /vkey: expected the public key of a witness/],
    [one('kind: tsa, url: "https://tsa.example.com", everyMs: 1'), /everyMs/],
    [one('kind: carrier-pigeon'), /audit\.anchors\[0\]/],
    [audit('anchors: [{ name: a, kind: file }, { name: a, kind: file }]'), /a is defined twice/],
    [audit('retention: { headers: 6y }'), /audit\.retention\.headers: headers cannot go before their payloads/],
    [audit('retention: { payloads: 7y, headers: 6y }'), /headers cannot go before their payloads/],
    [audit('retention: { payloads: 0d }'), /payloads: expected days or years/],
    [audit('retention: { payloads: 90 }'), /audit\.retention\.payloads/],
    [audit('unseal: { approvers: { role: officer, count: 0 } }'), /audit\.unseal\.approvers\.count/],
  ] as const)
    assert.match(await faultsOf(text), fault, text);
});

test('every fault is reported at once', async () => {
  const faults = await faultsOf(good.replace('version: 1', 'version: 2').replace('audience: sallyport', 'audence: x'));
  assert.match(faults, /:1:\d+ version/);
  assert.match(faults, /audence: unknown key/);
  assert.match(faults, /audience: is missing/);
});

test('a listener without TLS refuses to start', async () => {
  assert.match(
    await faultsOf(good.replace('    tls: { certificate: ./tls/server.crt, key: ./tls/server.key }\napi', 'api')),
    /listeners\[0\]\.tls: TLS is required/,
  );
});

test('plaintext is accepted on loopback only, and only when it is said', async () => {
  const insecure = good.replace('    tls: { certificate: ./tls/server.crt, key: ./tls/server.key }\napi', '    insecure: true\napi');
  assert.equal(await faultsOf(insecure), '');
  assert.match(await faultsOf(insecure.replace('127.0.0.1:6432', '10.0.0.5:6432')), /is not loopback: plaintext is refused/);
  assert.match(await faultsOf(insecure.replace('insecure: true', 'insecure: false')), /insecure/);
});

test('no identity provider, no start', async () => {
  assert.match(await faultsOf(good.replace(/providers:\n.*\n/, 'providers: []\n')), /no identity provider/);
});

test('an identity provider without an audience refuses to start', async () => {
  assert.match(await faultsOf(good.replace(', audience: sallyport', '')), /audience: is missing/);
});

test('an http issuer is accepted on loopback only', async () => {
  assert.match(await faultsOf(good.replace('https://idp', 'http://idp')), /expected an https URL/);
  assert.equal(await faultsOf(good.replace('https://idp.example.com', 'http://127.0.0.1:9000')), '');
});

test('a password written into the file is refused and not repeated', async () => {
  const faults = await faultsOf(good.replace('{ env: CLINIC_PASSWORD }', 'hunter2'));
  assert.match(faults, /targets\[0\]\.password/);
  assert.doesNotMatch(faults, /hunter2/);
});

test('upstream TLS can be disabled only by saying insecure', async () => {
  const disabled = good.replace('    password:', '    tls: { mode: disable }\n    password:');
  assert.match(await faultsOf(disabled), /insecure/);
  assert.equal(await faultsOf(disabled.replace('disable }', 'disable, insecure: true }')), '');
});

test('a target or provider defined twice is refused', async () => {
  const twice = good.replace('policy:', good.slice(good.indexOf('  - name: clinic'), good.indexOf('policy:')) + 'policy:');
  assert.match(await faultsOf(twice), /clinic is defined twice/);
});

test('token keys are given in one way, one of them is active, and only an expired one needs no secret', async () => {
  const keys = (list: string): string => good.replace('tokenKey: { file: ./keys/token.key }', `tokenKeys: [${list}]`);
  const active = '{ id: k2, state: active, secret: { file: a } }';
  assert.equal(await faultsOf(keys(`${active}, { id: k1, state: decrypt-only, secret: { env: OLD } }, { id: k0, state: expired }`)), '');
  assert.match(
    await faultsOf(good.replace('tokenKey: { file: ./keys/token.key }\n', '')),
    /tokenKey: is missing: give tokenKey, or tokenKeys/,
  );
  assert.match(await faultsOf(`${good}tokenKeys: [${active}]\n`), /tokenKeys: contradicts tokenKey/);
  assert.match(await faultsOf(keys('{ id: k1, state: expired }')), /exactly one key must be active/);
  assert.match(await faultsOf(keys(`${active}, { id: k1, state: active, secret: { file: b } }`)), /exactly one key must be active/);
  assert.match(
    await faultsOf(keys(`${active}, { id: k1, state: decrypt-only }`)),
    /tokenKeys\[1\]\.secret: is missing: a key that is decrypt-only needs it/,
  );
  assert.match(await faultsOf(keys(`${active}, { id: k2, state: expired }`)), /tokenKeys\[1\]\.id: k2 is defined twice/);
  assert.match(await faultsOf(keys('{ id: K_1, state: active, secret: { file: a } }')), /expected 1 to 8 lower-case letters and digits/);
});

test('a missing file says how to make one', async () => {
  await assert.rejects(loadConfig(join(folder, 'absent.yaml')), { code: 'SP_CONFIG_INVALID', message: /sallyport init/ });
});

test('the console needs openid, a client, and an address that browsers reach by https', async () => {
  const withConsole = (console: string, api = ''): string =>
    good.replace('audience: sallyport }', `audience: sallyport, console: ${console} }`).replace('api:\n', `api:\n${api}`);
  assert.equal(await faultsOf(withConsole('{ clientId: console }')), '');
  assert.equal(
    await faultsOf(withConsole('{ clientId: console, clientSecret: { env: X }, token: id }', '  console: { idleMs: 60000 }\n')),
    '',
  );
  assert.match(await faultsOf(withConsole('{ scopes: [openid] }')), /console\.clientId/);
  assert.match(await faultsOf(withConsole('{ clientId: console, scopes: [profile] }')), /openid is missing/);
  assert.match(await faultsOf(withConsole('{ clientId: console, clientSecret: s3cret }')), /console\.clientSecret: has none of the forms/);
  assert.match(
    await faultsOf(withConsole('{ clientId: console }', '  publicUrl: http://gate.example.com\n')),
    /api\.publicUrl: expected https/,
  );
  assert.match(
    await faultsOf(withConsole('{ clientId: console }').replace('127.0.0.1:8443', '0.0.0.0:8443')),
    /api\.publicUrl: is missing/,
  );
  assert.equal(await faultsOf(good.replace('127.0.0.1:8443', '0.0.0.0:8443')), '', 'without a console nobody comes back');
});

const ofSnowflake = good.replace('  - protocol: postgres', '  - protocol: snowflake').replace(
  /targets:\n[^]*?policy:/,
  `targets:
  - name: warehouse
    protocol: snowflake
    account: myorg-acct1
    address: myorg-acct1.snowflakecomputing.com:443
    user: GATE
    credential: { keyPair: { privateKey: { file: ./keys/snowflake.p8 } } }
    role: gate_reader
    warehouse: '"Gate WH"'
    databases: [clinic, '"Mixed"']
policy:`,
);

test('a Snowflake target loads with names as Snowflake reads them', async () => {
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, ofSnowflake);
  const { document } = await loadConfig(file);
  const [target] = document.targets;
  assert.ok(target?.protocol === 'snowflake');
  assert.deepEqual([target.role, target.warehouse, target.databases], ['GATE_READER', 'Gate WH', ['CLINIC', 'Mixed']]);
  assert.equal(target.tls.mode, 'verify-full');
  assert.deepEqual(document.listeners[0]?.protocol, 'snowflake');
});

test('a Snowflake target has one credential, which is never written into the file', async () => {
  const withCredential = (text: string): string => ofSnowflake.replace(/credential: .*/, `credential: ${text}`);
  for (const good of [
    '{ keyPair: { privateKey: { file: k }, passphrase: { env: P } } }',
    '{ oauth: { token: { command: [get, token] } } }',
    '{ oauth: { clientCredentials: { tokenUrl: "https://idp.example.com/token", clientId: c, clientSecret: { env: S }, scope: s } } }',
    '{ pat: { env: PAT } }',
  ])
    assert.equal(await faultsOf(withCredential(good)), '', good);
  for (const wrong of [
    '{ pat: hunter2 }',
    'hunter2',
    '{ keyPair: { privateKey: { file: k } }, pat: { env: P } }',
    '{ oauth: { clientCredentials: { tokenUrl: "http://idp.example.com/token", clientId: c, clientSecret: { env: S } } } }',
    '{ oauth: { clientCredentials: { tokenUrl: "https://c:hunter2@idp.example.com/token", clientId: c, clientSecret: { env: S } } } }',
    '{ oauth: { token: { env: T }, clientCredentials: { tokenUrl: "https://x", clientId: c, clientSecret: { env: S } } } }',
    '{}',
  ]) {
    const faults = await faultsOf(withCredential(wrong));
    assert.match(faults, /targets\[0\]\.credential/, wrong);
    assert.doesNotMatch(faults, /hunter2/);
  }
});

test('what a Snowflake target cannot have is refused where it stands', async () => {
  const more = (text: string): string => ofSnowflake.replace('    user: GATE', `    user: GATE\n    ${text}`);
  assert.match(await faultsOf(more('subjects: []')), /targets\[0\]\.subjects: is not supported on Snowflake targets/);
  assert.match(await faultsOf(more('searchPath: [public]')), /targets\[0\]\.searchPath: unknown key; known here: .*warehouse/);
  assert.match(
    await faultsOf(ofSnowflake.replace('databases: [clinic, \'"Mixed"\']', 'databases: ["a.b"]')),
    /databases\[0\]: expected a name/,
  );
  assert.match(await faultsOf(ofSnowflake.replace('databases: [clinic, \'"Mixed"\']', 'databases: []')), /databases: must have at least 1/);
  assert.match(await faultsOf(ofSnowflake.replace('account: myorg-acct1', 'account: ""')), /account: expected an account identifier/);
  assert.match(
    await faultsOf(good.replace('    database: clinic', '    warehouse: W')),
    /targets\[0\]\.warehouse: unknown key; known here: (?!.*warehouse)/,
  );
});

test('a protocol that there is not is told with those that there are', async () => {
  assert.match(
    await faultsOf(good.replace(/(name: clinic\n *protocol:) postgres/, '$1 snowflak')),
    /targets\[0\]\.protocol: must be one of postgres, snowflake, did you mean "snowflake"\?/,
  );
  assert.match(await faultsOf(good.replace(/(name: clinic\n) *protocol: postgres\n/, '$1')), /targets\[0\]\.protocol: is missing/);
  assert.match(await faultsOf(good.replace('  - protocol: postgres', '  - protocol: mysql')), /listeners\[0\]\.protocol: must be one of/);
});

test('a Snowflake account is spoken to by TLS, and links lead to one https address', async () => {
  const plain = ofSnowflake.replace('    role: gate_reader', '    role: gate_reader\n    tls: { mode: disable, insecure: true }');
  assert.match(await faultsOf(plain), /targets\[0\]\.tls\.mode: myorg-acct1\.snowflakecomputing\.com is not loopback/);
  assert.equal(await faultsOf(plain.replace('address: myorg-acct1.snowflakecomputing.com:443', 'address: 127.0.0.1:9000')), '');
  const withUrl = (url: string): string =>
    ofSnowflake.replace('    address: 127.0.0.1:6432', `    publicUrl: ${url}\n    address: 127.0.0.1:6432`);
  assert.equal(await faultsOf(withUrl('https://gate.example.com:8443')), '');
  assert.match(await faultsOf(withUrl('http://gate.example.com')), /publicUrl: expected an https URL/);
  assert.match(await faultsOf(withUrl('https://gate.example.com/x')), /publicUrl: expected scheme, host and port only/);
  assert.match(await faultsOf(withUrl('https://gate.example.com/')), /publicUrl: expected scheme, host and port only/);
  const second = '  - { protocol: snowflake, address: "127.0.0.1:6433", insecure: true, publicUrl: "https://b.example.com" }\napi:';
  assert.match(
    await faultsOf(withUrl('https://a.example.com').replace('api:', second)),
    /listeners\[1\]\.publicUrl: all Snowflake listeners/,
  );
  assert.match(
    await faultsOf(good.replace('    address: 127.0.0.1:6432', '    publicUrl: https://x.example.com\n    address: 127.0.0.1:6432')),
    /listeners\[0\]\.publicUrl: unknown key/,
  );
});
