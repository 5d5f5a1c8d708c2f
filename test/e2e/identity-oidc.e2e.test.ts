// The authenticator against a real OpenID provider over HTTP: the flows of agents and people, and what must not pass.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader, importJWK, exportSPKI, type JWK } from 'jose';
import { SallyportError } from '../../src/core/error.ts';
import type { Authenticator } from '../../src/core/ports.ts';
import { DEV_CLIENT_ID, startDevProvider, type DevProvider, type Persona } from '../../src/demo/oidc-provider.ts';
import { createOidcAuthenticator } from '../../src/identity/index.ts';
import { describeAuthenticator } from '../conformance/authenticator.ts';
import { TOKEN_FAULTS, type TokenFault } from '../../src/identity/index.ts';

const audience = 'https://sallyport.local';
const personas: Persona[] = [
  { name: 'reporting-agent', displayName: 'Reporting agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'etl-agent', displayName: 'ETL agent', kind: 'service', groups: ['ai-agents', 'etl'] },
  { name: 'privacy-officer', displayName: 'Priya <b>"Officer"', kind: 'person', groups: ['privacy'] },
];
const logger = { info() {}, warn() {}, error() {} };

/** An authenticator with a clock that can be moved. */
function authenticatorFor(issuer: string, time = { offsetMs: 0, monotonicMs: 0 }, expected = audience): Authenticator {
  return createOidcAuthenticator({
    providers: [
      {
        name: 'dev',
        issuer,
        audience: expected,
        groupsClaim: 'groups',
        nameClaim: 'name',
        kind: { claim: 'kind', values: { person: 'person', agent: 'agent', service: 'service' } },
      },
    ],
    clock: { nowMs: () => Date.now() + time.offsetMs, monotonicMs: () => performance.now() + time.monotonicMs },
    logger,
    jwksCooldownMs: 0,
  });
}

const refuses = (by: Authenticator, token: string, fault: TokenFault) =>
  assert.rejects(by.authenticate(token), (thrown) => {
    assert.ok(thrown instanceof SallyportError);
    assert.deepEqual([thrown.code, thrown.message], ['SP_AUTH_INVALID_TOKEN', fault]);
    return true;
  });
const unavailable = (by: Authenticator, token: string) =>
  assert.rejects(by.authenticate(token), (thrown) => thrown instanceof SallyportError && thrown.code === 'SP_AUTH_UNAVAILABLE');
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('tokens of a real provider', () => {
  let idp: DevProvider;
  let authenticator: Authenticator;
  before(async () => {
    idp = await startDevProvider({ port: 0, audience, personas });
    authenticator = authenticatorFor(idp.issuer);
  });
  after(() => idp.close());

  it('identify an agent that used its client credentials', async () => {
    const token = await idp.tokenFor('reporting-agent');
    assert.equal(decodeProtectedHeader(token).typ, 'at+jwt');
    const { claims: _claims, expiresAtMs, ...principal } = await authenticator.authenticate(token);
    assert.deepEqual(principal, {
      issuer: 'dev',
      subject: 'reporting-agent',
      kind: 'agent',
      name: 'Reporting agent',
      groups: ['ai-agents'],
      onBehalfOf: null,
    });
    assert.ok(Math.abs(expiresAtMs - Date.now() - 3_630_000) < 10_000);
  });

  it('identify a service with all of its groups', async () => {
    const principal = await authenticator.authenticate(await idp.tokenFor('etl-agent'));
    assert.deepEqual([principal.kind, principal.groups], ['service', ['ai-agents', 'etl']]);
  });

  it('identify a person who logged in on the page with a code and PKCE', async () => {
    const principal = await authenticator.authenticate(await idp.tokenFor('privacy-officer'));
    assert.deepEqual(
      [principal.subject, principal.kind, principal.groups, principal.name],
      ['privacy-officer', 'person', ['privacy'], 'Priya <b>"Officer"'],
    );
  });

  it('are refused when they have expired', async () => {
    const time = { offsetMs: 0, monotonicMs: 0 };
    const moved = authenticatorFor(idp.issuer, time);
    const token = await idp.tokenFor('reporting-agent');
    await moved.authenticate(token);
    time.offsetMs = 3_600_000 + 31_000;
    await refuses(moved, token, 'expired');
    await refuses(authenticatorFor(idp.issuer, time), token, 'expired');
  });

  it('are refused when they are for another audience', async () => {
    const token = await idp.tokenFor('reporting-agent');
    await refuses(authenticatorFor(idp.issuer, undefined, 'https://other.example'), token, 'wrong-audience');
  });

  it('are refused from an issuer that is not configured', async () => {
    const foreign = await startDevProvider({ port: 0, audience, personas });
    try {
      await refuses(authenticator, await foreign.tokenFor('reporting-agent'), 'unknown-issuer');
      const forged = (await foreign.tokenFor('reporting-agent')).split('.');
      const claims = { ...decodeJwt(forged.join('.')), iss: idp.issuer };
      await refuses(authenticator, `${forged[0]}.${part(claims)}.${forged[2]}`, 'bad-signature');
    } finally {
      await foreign.close();
    }
  });

  it('are refused without a signature, or with an HMAC made of the public key', async () => {
    const token = await idp.tokenFor('reporting-agent');
    const [, body = ''] = token.split('.');
    await refuses(authenticator, `${part({ alg: 'none', typ: 'at+jwt' })}.${body}.`, 'algorithm');
    const { keys } = (await (await fetch(`${idp.issuer}/jwks`)).json()) as { keys: JWK[] };
    const jwk = keys[0] ?? assert.fail('no key');
    const publicKey = await importJWK(jwk, 'ES256');
    assert.ok(!(publicKey instanceof Uint8Array));
    for (const secret of [await exportSPKI(publicKey), JSON.stringify(jwk)]) {
      const signed = `${part({ alg: 'HS256', typ: 'at+jwt', kid: jwk.kid })}.${body}`;
      await refuses(authenticator, `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`, 'algorithm');
    }
  });

  it('are accepted after the provider has rotated its keys, and those of the old key no more', async () => {
    const first = await startDevProvider({ port: 0, audience, personas });
    const port = Number(new URL(first.issuer).port);
    const time = { offsetMs: 0, monotonicMs: 0 };
    const lasting = authenticatorFor(first.issuer, time);
    const old = await first.tokenFor('reporting-agent');
    await lasting.authenticate(old);
    await first.close();
    const second = await startDevProvider({ port, audience, personas });
    try {
      assert.equal((await lasting.authenticate(await second.tokenFor('reporting-agent'))).subject, 'reporting-agent');
      time.monotonicMs += 60_000;
      await refuses(lasting, old, 'bad-signature');
    } finally {
      await second.close();
    }
  });

  it('cannot be checked while the provider is down, and can again when it is up', async () => {
    const first = await startDevProvider({ port: 0, audience, personas });
    const port = Number(new URL(first.issuer).port);
    const time = { offsetMs: 0, monotonicMs: 0 };
    const fresh = authenticatorFor(first.issuer, time);
    const token = await first.tokenFor('reporting-agent');
    await first.close();
    await unavailable(fresh, token);
    const second = await startDevProvider({ port, audience, personas });
    try {
      time.monotonicMs += 1_000;
      await fresh.authenticate(await second.tokenFor('reporting-agent'));
    } finally {
      await second.close();
    }
  });

  it('cannot be checked when something else answers in place of the provider', async () => {
    const other = await startDevProvider({ port: 0, audience, personas });
    try {
      // Discovery there names its own issuer, not the one that is configured.
      const misled = authenticatorFor(other.issuer.replace('127.0.0.1', 'localhost'));
      const claims = { iss: other.issuer.replace('127.0.0.1', 'localhost'), sub: 'x', aud: audience };
      await unavailable(misled, `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}.${'A'.repeat(86)}`);
    } finally {
      await other.close();
    }
  });
});

describe('the development provider', () => {
  let idp: DevProvider;
  before(async () => {
    idp = await startDevProvider({ port: 0, audience, personas });
  });
  after(() => idp.close());

  const code = (wanted: string) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
  const authorize = (more: Record<string, string>) =>
    `${idp.issuer}/auth?${new URLSearchParams({
      client_id: DEV_CLIENT_ID,
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:9/callback',
      scope: 'openid profile',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...more,
    }).toString()}`;

  it('binds loopback only', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'localhost', 'example.org']) {
      await assert.rejects(startDevProvider({ port: 0, host, personas }), code('SP_CONFIG_INVALID'), host);
    }
  });

  it('refuses personas with odd or equal names', async () => {
    const persona = personas[0] ?? assert.fail();
    for (const list of [[persona, persona], [{ ...persona, name: 'A b' }], [{ ...persona, name: DEV_CLIENT_ID }]]) {
      await assert.rejects(startDevProvider({ port: 0, personas: list }), code('SP_CONFIG_INVALID'));
    }
  });

  it('gives no token to somebody it does not know', async () => {
    await assert.rejects(idp.tokenFor('nobody'), code('SP_CONFIG_INVALID'));
    assert.throws(() => idp.clientSecret('privacy-officer'), code('SP_CONFIG_INVALID'));
  });

  it('refuses an agent with a wrong secret, and another resource', async () => {
    const ask = async (secret: string, resource: string) => {
      const response = await fetch(`${idp.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`reporting-agent:${secret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
      });
      return { status: response.status, body: await response.text() };
    };
    const good = await ask(idp.clientSecret('reporting-agent').reveal(), audience);
    assert.equal(good.status, 200);
    const wrong = await ask('wrong', audience);
    assert.equal(wrong.status, 401);
    const elsewhere = await ask(idp.clientSecret('reporting-agent').reveal(), 'https://other.example');
    assert.notEqual(elsewhere.status, 200);
    assert.doesNotMatch(wrong.body + elsewhere.body, /access_token/);
  });

  it('shows people on the log-in page, escaped, and no agents', async () => {
    const response = await fetch(authorize({}), { redirect: 'manual' });
    const location = new URL(response.headers.get('location') ?? '', idp.issuer);
    const cookie = response.headers
      .getSetCookie()
      .map((header) => header.split(';')[0])
      .join('; ');
    const page = await fetch(location, { headers: { cookie } });
    const text = await page.text();
    assert.match(text, /value="privacy-officer">Priya &lt;b&gt;&quot;Officer&quot;/);
    assert.doesNotMatch(text, /reporting-agent|<b>/);
    const answer = await fetch(location, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie },
      body: new URLSearchParams({ persona: 'reporting-agent' }),
    });
    assert.equal(answer.status, 400, 'an agent cannot log in as a person does');
    const stranger = await fetch(location, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ persona: 'privacy-officer' }),
    });
    assert.equal(stranger.status, 400, 'another browser cannot finish this log-in');
  });

  it('skips the page when the application names the person', async () => {
    const response = await fetch(authorize({ login_hint: 'privacy-officer' }), { redirect: 'manual' });
    const cookie = response.headers
      .getSetCookie()
      .map((header) => header.split(';')[0])
      .join('; ');
    const login = await fetch(new URL(response.headers.get('location') ?? '', idp.issuer), { redirect: 'manual', headers: { cookie } });
    assert.equal(login.status, 303);
    assert.match(login.headers.get('location') ?? '', /\/auth\//);
  });

  it('demands PKCE and a loopback redirect', async () => {
    const location = async (more: Record<string, string>) => {
      const response = await fetch(authorize(more), { redirect: 'manual' });
      return `${response.status} ${response.headers.get('location') ?? ''}`;
    };
    assert.match(await location({ code_challenge: '', code_challenge_method: '' }), /error=invalid_request|^400/);
    assert.match(await location({ redirect_uri: 'https://evil.example/callback' }), /^400 $/);
  });

  it('refuses requests that were sent to another host name', async () => {
    const { port } = new URL(idp.issuer);
    const status = await new Promise((resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port, path: '/.well-known/openid-configuration', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 421);
  });
});

describeAuthenticator('OIDC over HTTP', async () => {
  const idp = await startDevProvider({ port: 0, audience, personas });
  return {
    authenticator: authenticatorFor(idp.issuer),
    good: await idp.tokenFor('reporting-agent'),
    expected: { issuer: 'dev', subject: 'reporting-agent', kind: 'agent' },
    vocabulary: TOKEN_FAULTS,
    close: () => idp.close(),
  };
});
