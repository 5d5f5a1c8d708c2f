// The flow itself is driven against a real provider in test/e2e/console.e2e.test.ts; here is what a provider must not get away with.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { SallyportError, type ErrorCode } from '../core/error.ts';
import { Secret } from '../core/secret.ts';
import { type CodeFlowProvider, createCodeFlow } from './code-flow.ts';
import { createLoginTransactions, TRANSACTION_MS } from './login-transaction.ts';

const ISSUER = 'https://idp.example.com';
const SECOND_ISSUER = 'https://second.example.com';
const to = { redirectUri: 'https://gate.example.com/console/callback/corp', returnTo: '/console/', hint: null };
const back = { ...to, provider: 'corp' };
const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
const json = (body: object, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
const metadata = (change: object = {}): object => ({
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/auth`,
  token_endpoint: `${ISSUER}/token`,
  jwks_uri: `${ISSUER}/jwks`,
  ...change,
});

function flowOf(answer: (url: URL, init: RequestInit | undefined) => Response, change: Partial<CodeFlowProvider> = {}) {
  const asked: { readonly url: URL; readonly init: RequestInit | undefined }[] = [];
  let nowMs = 1_000_000;
  const corp: CodeFlowProvider = {
    name: 'corp',
    label: 'Corp',
    issuer: ISSUER,
    clientId: 'console',
    clientSecret: null,
    scopes: ['openid', 'profile'],
    resource: null,
    token: 'access',
    ...change,
  };
  const flow = createCodeFlow({
    providers: [corp, { ...corp, name: 'second', issuer: SECOND_ISSUER }],
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    random: { bytes: (length) => randomBytes(length) },
    fetch: async (input, init) => {
      const url = new URL(String(input));
      asked.push({ url, init });
      return answer(url, init);
    },
  });
  return { flow, asked, pass: (ms: number) => void (nowMs += ms) };
}

describe('authorization code flow', () => {
  it('asks with PKCE, state and nonce that are new each time', async () => {
    const { flow, asked } = flowOf(() => json(metadata()), { resource: 'https://gate.example.com' });
    const [one, two] = [await flow.begin('corp', to), await flow.begin('corp', { ...to, hint: 'olga' })].map(
      ({ url }) => new URL(url).searchParams,
    );
    for (const name of ['state', 'nonce', 'code_challenge']) assert.notEqual(one?.get(name), two?.get(name));
    assert.equal(one?.get('code_challenge_method'), 'S256');
    assert.equal(one?.get('resource'), 'https://gate.example.com');
    assert.deepEqual([one?.get('login_hint'), two?.get('login_hint')], [null, 'olga']);
    assert.equal(asked.length, 1, 'discovery is kept');
    assert.equal(asked[0]?.init?.redirect, 'error');
  });

  it('goes nowhere that is not safe, and not to another issuer', async () => {
    const faults = [
      { issuer: 'https://other.example.com' },
      { authorization_endpoint: 'http://idp.example.com/auth' },
      { authorization_endpoint: 'javascript:alert(1)' },
      { authorization_endpoint: 'http://127.0.0.1/auth' },
      { token_endpoint: 'http://idp.example.com/token' },
      { token_endpoint: undefined },
      { jwks_uri: 'http://127.0.0.1/jwks' },
    ];
    for (const change of faults)
      await assert.rejects(
        flowOf(() => json(metadata(change))).flow.begin('corp', to),
        code('SP_AUTH_UNAVAILABLE'),
        JSON.stringify(change),
      );
    await assert.rejects(flowOf(() => json(metadata())).flow.begin('other', to), code('SP_API_NOT_FOUND'));
  });

  it('bears a provider that is down, too large or slow to come back: it is asked again after a moment', async () => {
    let body: Response = new Response('x'.repeat(600 * 1024));
    const { flow, asked, pass } = flowOf(() => body);
    await assert.rejects(flow.begin('corp', to), code('SP_AUTH_UNAVAILABLE'));
    await assert.rejects(flow.begin('corp', to), code('SP_AUTH_UNAVAILABLE'));
    assert.equal(asked.length, 1);
    pass(1_000);
    body = json(metadata());
    assert.ok(await flow.begin('corp', to));
  });

  it('sends the code once, with the secret as the provider takes it, and never again', async () => {
    for (const [methods, expected] of [
      [undefined, /^Basic /],
      [['client_secret_post'], null],
    ] as const) {
      const { flow, asked } = flowOf(
        (url) =>
          url.pathname === '/token'
            ? json({ error: 'invalid_grant' }, 400)
            : json(metadata(methods === undefined ? {} : { token_endpoint_auth_methods_supported: methods })),
        { clientSecret: new Secret('s3cret') },
      );
      const { url, transaction } = await flow.begin('corp', to);
      const query = `?code=c&state=${new URL(url).searchParams.get('state') ?? ''}`;
      await assert.rejects(flow.finish(transaction, { ...back, query }), code('SP_AUTH_INVALID_TOKEN'));
      const sent = asked.at(-1)?.init;
      const authorization = new Headers(sent?.headers).get('authorization');
      if (expected === null) assert.match(String(sent?.body), /client_secret=s3cret/);
      else assert.match(authorization ?? '', expected);
      assert.match(String(sent?.body), /code_verifier=[\w-]{43,}/);
      const count = asked.length;
      await assert.rejects(flow.finish(transaction, { ...back, query }), code('SP_AUTH_INVALID_TOKEN'));
      assert.equal(asked.length, count, 'the second time nobody is asked');
    }
  });

  it('shows no code to another provider than the browser came back from, and none that comes without its issuer where it has one', async () => {
    const { flow, asked } = flowOf(({ origin }) =>
      json(
        metadata({
          issuer: origin,
          authorization_endpoint: `${origin}/auth`,
          token_endpoint: `${origin}/token`,
          jwks_uri: `${origin}/jwks`,
          authorization_response_iss_parameter_supported: origin === ISSUER,
        }),
      ),
    );
    const end = async (begun: string, ended: string, more: string): Promise<unknown> => {
      const { url, transaction } = await flow.begin(begun, to);
      const state = new URL(url).searchParams.get('state') ?? '';
      return flow.finish(transaction, { ...back, provider: ended, query: `?code=c&state=${state}${more}` });
    };
    await flow.begin('second', to);
    for (const [begun, ended, more] of [
      ['corp', 'second', ''],
      ['second', 'corp', `&iss=${ISSUER}`],
      ['corp', 'other', `&iss=${ISSUER}`],
      ['corp', 'corp', ''],
      ['corp', 'corp', `&iss=${SECOND_ISSUER}`],
    ] as const)
      await assert.rejects(end(begun, ended, more), code('SP_AUTH_INVALID_TOKEN'), `${begun} ${ended} ${more}`);
    assert.ok(asked.every(({ url }) => url.pathname === '/.well-known/openid-configuration'));
  });

  it('tells a provider that is down from one that says no, and needs an identity token', async () => {
    const end = async (token: Response): Promise<unknown> => {
      const { flow } = flowOf((url) => (url.pathname === '/token' ? token : json(metadata())));
      const { url, transaction } = await flow.begin('corp', to);
      return flow.finish(transaction, { ...back, query: `?code=c&state=${new URL(url).searchParams.get('state') ?? ''}` });
    };
    await assert.rejects(end(json({}, 503)), code('SP_AUTH_UNAVAILABLE'));
    await assert.rejects(end(json({ access_token: 'a', token_type: 'bearer' })), code('SP_AUTH_INVALID_TOKEN'));
    await assert.rejects(end(json({ access_token: 'a', token_type: 'bearer', id_token: 'a.b.c' })), SallyportError);
  });
});

describe('log-in transactions', () => {
  const transaction = { provider: 'corp', state: 's', nonce: 'n', verifier: 'v', returnTo: '/console/' };
  function setUp() {
    let nowMs = 5_000_000;
    const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
    const random = { bytes: (length: number) => randomBytes(length) };
    return { make: () => createLoginTransactions({ clock, random }), pass: (ms: number) => void (nowMs += ms) };
  }

  it('are used once, within ten minutes, with their own state, by the process that made them', () => {
    const { make, pass } = setUp();
    const [one, other] = [make(), make()];
    const sealed = one.seal(transaction);
    assert.throws(() => one.use(sealed, 'another'), code('SP_AUTH_INVALID_TOKEN'));
    assert.throws(() => other.use(sealed, 's'), code('SP_AUTH_INVALID_TOKEN'));
    assert.deepEqual(one.use(sealed, 's'), transaction);
    assert.throws(() => one.use(sealed, 's'), code('SP_AUTH_INVALID_TOKEN'));
    const late = one.seal({ ...transaction, state: 't' });
    pass(TRANSACTION_MS);
    assert.throws(() => one.use(late, 't'), code('SP_AUTH_INVALID_TOKEN'));
    const back = one.seal({ ...transaction, state: 'u' });
    pass(-1);
    assert.throws(() => one.use(back, 'u'), code('SP_AUTH_INVALID_TOKEN'));
  });

  it('show nothing of what they hold, and no byte of them can be changed', () => {
    const transactions = setUp().make();
    const sealed = transactions.seal({ ...transaction, verifier: 'CANARY' });
    assert.doesNotMatch(Buffer.from(sealed, 'base64url').toString('latin1'), /CANARY/);
    const bytes = Buffer.from(sealed, 'base64url');
    for (const at of [0, 20, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => transactions.use(changed.toString('base64url'), 's'), code('SP_AUTH_INVALID_TOKEN'));
    }
    for (const odd of ['', 'AAAA', 'A'.repeat(5_000)]) assert.throws(() => transactions.use(odd, 's'), code('SP_AUTH_INVALID_TOKEN'));
  });
});
