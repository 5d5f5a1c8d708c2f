import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type Endpoint, reachableHost, snippets } from './snippets.ts';

const plain: Endpoint = { host: 'gate.example.com', port: 6432, isTls: true, database: 'clinic', user: 'olivia' };
const textOf = (tool: string, endpoint: Endpoint): string => snippets('postgres', endpoint).find((each) => each.tool === tool)?.text ?? '';

test('each tool verifies the gateway, and takes the token from the environment', () => {
  for (const { tool, text } of snippets('postgres', plain)) {
    assert.match(text, /verify-full|readFileSync\('ca\.crt'/, tool);
    if (tool !== 'DBeaver') assert.match(text, /SALLYPORT_TOKEN/, tool);
  }
  assert.equal(
    textOf('psql', plain),
    `PGPASSWORD="$SALLYPORT_TOKEN" psql 'host=gate.example.com port=6432 dbname=clinic user=olivia sslmode=verify-full sslrootcert=ca.crt'`,
  );
  assert.match(
    textOf('libpq URL', plain),
    /'postgresql:\/\/olivia@gate\.example\.com:6432\/clinic\?sslmode=verify-full&sslrootcert=ca\.crt'$/,
  );
});

test('a listener without TLS is not asked for it', () => {
  for (const { tool, text } of snippets('postgres', { ...plain, isTls: false })) {
    assert.doesNotMatch(text, /verify-full|ca\.crt/, tool);
    assert.match(text, /disable|ssl: false/, tool);
  }
});

test('a name is never more than a name: not for the shell, not for libpq, not for a language', () => {
  const user = `o'brien\\ "$(touch /tmp/x)" \`id\`\n;é\u2028\u202E😀 sslmode=disable`;
  const hostile = { ...plain, user };
  const shellText = textOf('psql', hostile).replace(/^PGPASSWORD="\$SALLYPORT_TOKEN" psql/, `printf %s`);
  const conninfo = execFileSync('sh', ['-c', shellText], { encoding: 'utf8' });
  const inside = /user='((?:\\.|[^'\\])*)' sslmode=verify-full/su.exec(conninfo)?.[1];
  assert.equal(inside?.replaceAll(/\\(.)/gsu, '$1'), user);
  const url = execFileSync('sh', ['-c', `${textOf('libpq URL', hostile)}; printf %s "$DATABASE_URL"`], { encoding: 'utf8' });
  assert.equal(decodeURIComponent(new URL(url).username), user);
  assert.equal(new URL(url).search, '?sslmode=verify-full&sslrootcert=ca.crt');
  for (const tool of ['Node pg', 'Python psycopg', 'SQLAlchemy', 'JDBC']) {
    const literal = /"o'brien(?:\\.|[^"\\])*"/u.exec(textOf(tool, hostile))?.[0] ?? '""';
    assert.equal(JSON.parse(literal), user, tool);
    assert.doesNotMatch(literal, /[\u0000-\u001F\u2028\u202E]/, tool);
  }
});

test('an IPv6 address stands in brackets in a URL only', () => {
  const endpoint = { ...plain, host: '::1' };
  assert.match(textOf('libpq URL', endpoint), /@\[::1\]:6432\//);
  assert.match(textOf('JDBC', endpoint), /postgresql:\/\/\[::1\]:6432\//);
  assert.match(textOf('psql', endpoint), /host=::1 /);
});

test('an address that listens everywhere becomes the host of the page', () => {
  for (const every of ['0.0.0.0', '::', '[::]', '']) assert.equal(reachableHost(every, 'gate.example.com'), 'gate.example.com');
  assert.equal(reachableHost('::', '[::1]'), '::1');
  assert.equal(reachableHost('10.0.0.7', 'gate.example.com'), '10.0.0.7');
});

const gate: Endpoint = { ...plain, port: 8443 };
const snowflakeText = (tool: string, endpoint: Endpoint): string =>
  snippets('snowflake', endpoint).find((each) => each.tool === tool)?.text ?? '';

test('each driver of Snowflake goes to the gateway by TLS, with the target as account and the token from outside', () => {
  const all = snippets('snowflake', gate);
  assert.deepEqual(
    all.map(({ tool }) => tool),
    ['Node snowflake-sdk', 'Python connector', 'snow', 'JDBC', 'Go gosnowflake'],
  );
  for (const { tool, text, note } of all) {
    assert.match(text, /gate\.example\.com/, tool);
    assert.match(text, /8443/, tool);
    assert.match(text, /clinic/, tool);
    assert.match(text, /oauth/i, tool);
    assert.match(text, tool === 'snow' ? /token\.txt/ : /SALLYPORT_TOKEN/, tool);
    assert.match(`${note} ${text}`, /ca\.crt/, tool);
    assert.doesNotMatch(text, /http\b|ssl", "off|insecure|disable/i, tool);
  }
  for (const { tool, text } of snippets('snowflake', { ...gate, isTls: false })) assert.match(text, /\bhttp\b|"ssl", "off"/, tool);
});

test('a name is never more than a name in a snippet of Snowflake', () => {
  const user = `o'brien\\ "$(touch /tmp/x)" \`id\`\n;é\u2028\u202E😀&token=x`;
  const hostile = { ...gate, user };
  for (const tool of ['Node snowflake-sdk', 'Python connector', 'JDBC']) {
    const literal = /"o'brien(?:\\.|[^"\\])*"/u.exec(snowflakeText(tool, hostile))?.[0] ?? '""';
    assert.equal(JSON.parse(literal), user, tool);
  }
  const words = execFileSync('sh', ['-c', snowflakeText('snow', hostile).replace(/^export .*\nsnow/, `printf '%s\\0'`)], {
    encoding: 'utf8',
  });
  assert.equal(words.split('\0')[words.split('\0').indexOf('--user') + 1], user);
  const dsn = JSON.parse(/"(?:\\.|[^"\\])*"/u.exec(snowflakeText('Go gosnowflake', hostile))?.[0] ?? '""') as string;
  assert.equal(decodeURIComponent(dsn.slice(0, dsn.indexOf('@'))), user);
});
