import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoginWishes, readLogin } from './login-request.ts';

const none = new URLSearchParams();
const data = (change: object): { data: object } => ({
  data: { ACCOUNT_NAME: 'Clinic', LOGIN_NAME: 'ann', CLIENT_APP_ID: 'Go', ...change },
});
const wishesOf = (change: object, query = none): LoginWishes => {
  const wishes = readLogin(data(change), query);
  assert.ok('by' in wishes, JSON.stringify(wishes));
  return wishes;
};
const codeOf = (change: object): string => {
  const wishes = readLogin(data(change), none);
  return 'code' in wishes ? wishes.code : 'taken';
};

test('every way in which drivers bring a token is taken', () => {
  for (const [change, by] of [
    [{ AUTHENTICATOR: 'OAUTH', TOKEN: 'tok' }, 'oauth'],
    [{ AUTHENTICATOR: 'oauth', TOKEN: 'tok' }, 'oauth'],
    [{ TOKEN: 'tok', CLIENT_ENVIRONMENT: { OAUTH_TYPE: 'authorization_code' } }, 'oauth'],
    [{ AUTHENTICATOR: 'PROGRAMMATIC_ACCESS_TOKEN', TOKEN: 'tok' }, 'token'],
    [{ AUTHENTICATOR: 'WORKLOAD_IDENTITY', PROVIDER: 'OIDC', TOKEN: 'tok' }, 'token'],
    [{ AUTHENTICATOR: 'SNOWFLAKE', PASSWORD: 'tok' }, 'password'],
    [{ PASSWORD: 'tok' }, 'password'],
    [{ AUTHENTICATOR: 'EXTERNALBROWSER', TOKEN: 'tok', PROOF_KEY: 'p' }, 'browser'],
  ] as const) {
    const wishes = wishesOf(change);
    assert.equal(wishes.by, by);
    assert.equal(wishes.token.reveal(), 'tok');
    assert.equal(wishes.account, 'clinic');
    assert.equal(wishes.proofKey, by === 'browser' ? 'p' : null);
  }
});

test('every other way is refused; a cached log-in so that the driver begins anew', () => {
  assert.equal(codeOf({ AUTHENTICATOR: 'ID_TOKEN', TOKEN: 'tok' }), '390195');
  for (const change of [
    { AUTHENTICATOR: 'SNOWFLAKE_JWT', TOKEN: 'tok' },
    { AUTHENTICATOR: 'USERNAME_PASSWORD_MFA', PASSWORD: 'x' },
    { AUTHENTICATOR: 'https://acme.okta.com', RAW_SAML_RESPONSE: '<x>' },
    { RAW_SAML_RESPONSE: '<x>', PASSWORD: 'x' },
    { PASSWORD: 'x', PASSCODE: '123456' },
    { AUTHENTICATOR: 'WORKLOAD_IDENTITY', PROVIDER: 'AWS', TOKEN: 'tok' },
    { AUTHENTICATOR: 'PAT_WITH_EXTERNAL_SESSION', TOKEN: 'tok' },
    { AUTHENTICATOR: 'toString', TOKEN: 'tok' },
    { AUTHENTICATOR: 'EXTERNALBROWSER', TOKEN: 'tok' },
    { AUTHENTICATOR: 'OAUTH', PASSWORD: 'tok' },
    { TOKEN: 'tok' },
    { PASSWORD: '' },
    { PASSWORD: 7 },
    { ACCOUNT_NAME: '', PASSWORD: 'tok' },
  ]) {
    assert.equal(codeOf(change), '390100', JSON.stringify(change));
  }
});

test('what goes on to the account: driver, machine, harmless parameters and places; never the log-in', () => {
  const query = new URLSearchParams({ warehouse: 'W', databaseName: 'D', schemaName: 'S', roleName: 'R' });
  const wishes = wishesOf(
    {
      PASSWORD: 'tok',
      CLIENT_APP_VERSION: '1.2.3\r\nX: y',
      CLIENT_ENVIRONMENT: { OS: 'Linux', OAUTH_TYPE: 'x', TOKEN_PATH: '/x', NESTED: {} },
      SESSION_PARAMETERS: { TIMEZONE: 'UTC', CLIENT_SESSION_KEEP_ALIVE: true, QUERY_TAG: 'mine' },
    },
    query,
  );
  assert.deepEqual([wishes.warehouse, wishes.database, wishes.schema, wishes.role], ['W', 'D', 'S', 'R']);
  assert.equal(wishes.appVersion, '1.2.3X y');
  assert.deepEqual(wishes.environment, { OS: 'Linux' });
  assert.deepEqual(wishes.sessionParameters, { TIMEZONE: 'UTC', CLIENT_SESSION_KEEP_ALIVE: true });
  for (const name of ['QUOTED_IDENTIFIERS_IGNORE_CASE', 'SEARCH_PATH', 'MULTI;', 'LOG_LEVEL']) {
    assert.equal(codeOf({ PASSWORD: 'tok', SESSION_PARAMETERS: { [name]: 'x' } }), '000002', name);
  }
});
