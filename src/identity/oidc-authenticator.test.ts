import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { before, beforeEach, describe, it } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { describeAuthenticator } from '../../test/conformance/authenticator.ts';
import { SallyportError } from '../core/error.ts';
import type { Authenticator } from '../core/ports.ts';
import { createOidcAuthenticator, LEEWAY_MS, MAX_TOKEN_LENGTH } from './oidc-authenticator.ts';
import type { OidcProviderOptions } from './options.ts';
import { TOKEN_FAULTS } from './refusal.ts';

const issuer = 'https://idp.example/realm';
const audience = 'https://sallyport.local';
const nowMs = 1_800_000_000_000;

interface Keys {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

async function newKeys(kid: string): Promise<Keys> {
  return { kid, ...(await generateKeyPair('ES256', { extractable: true })) };
}

/** A provider behind `fetch`, without a network. */
class FakeIdp {
  keys: Keys[];
  issuer = issuer;
  jwksUri = `${issuer}/jwks`;
  down = false;
  fetches: string[] = [];
  respond: ((url: string) => Response) | null = null;

  constructor(keys: Keys[]) {
    this.keys = keys;
  }

  readonly fetch: typeof fetch = async (input) => {
    const url = input instanceof Request ? input.url : input.toString();
    this.fetches.push(url);
    if (this.down) throw new TypeError('fetch failed');
    if (this.respond) return this.respond(url);
    if (url === `${issuer}/.well-known/openid-configuration`) return Response.json({ issuer: this.issuer, jwks_uri: this.jwksUri });
    if (url !== this.jwksUri) return new Response('', { status: 404 });
    const keys = await Promise.all(
      this.keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'ES256' })),
    );
    return Response.json({ keys });
  };
}

let keys: Keys;
let foreign: Keys;
before(async () => {
  keys = await newKeys('k1');
  foreign = await newKeys('k1');
});

const corp: OidcProviderOptions = {
  name: 'corp',
  issuer,
  audience,
  groupsClaim: 'groups',
  nameClaim: 'name',
  kind: { claim: 'kind', values: { person: 'person', bot: 'agent' } },
};

const goodClaims: JWTPayload = {
  iss: issuer,
  sub: 'agent-1',
  aud: audience,
  exp: nowMs / 1000 + 600,
  kind: 'bot',
  groups: ['ai-agents', 'etl'],
  name: 'Reporting agent',
};

function token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, by: Keys = keys): Promise<string> {
  const all = { ...goodClaims, ...claims };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: by.kid, ...header }).sign(by.privateKey);
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('the OIDC authenticator', () => {
  let idp: FakeIdp;
  let time: { nowMs: number; monotonicMs: number };
  let authenticator: Authenticator;

  const make = (changes: Partial<OidcProviderOptions> = {}, more: readonly OidcProviderOptions[] = []) =>
    createOidcAuthenticator({
      providers: [{ ...corp, ...changes }, ...more],
      clock: { nowMs: () => time.nowMs, monotonicMs: () => time.monotonicMs },
      logger: { info() {}, warn() {}, error() {} },
      fetch: idp.fetch,
      jwksCooldownMs: 0,
    });

  beforeEach(() => {
    idp = new FakeIdp([keys]);
    time = { nowMs, monotonicMs: 10_000 };
    authenticator = make();
  });

  const refuses = (wanted: (typeof TOKEN_FAULTS)[number], text: string, by = authenticator) =>
    assert.rejects(by.authenticate(text), (fault) => {
      assert.ok(fault instanceof SallyportError);
      assert.deepEqual([fault.code, fault.message], ['SP_AUTH_INVALID_TOKEN', wanted]);
      assert.equal(fault.cause, undefined, 'the cause would carry claims of the token');
      return true;
    });
  const unavailable = (text: string, by = authenticator) =>
    assert.rejects(by.authenticate(text), (fault) => fault instanceof SallyportError && fault.code === 'SP_AUTH_UNAVAILABLE');

  it('reads issuer, subject, kind, groups, name and scalar claims', async () => {
    const principal = await authenticator.authenticate(await token({ repository: 'clinic/etl', level: 3, nested: { a: 1 } }));
    assert.deepEqual(principal, {
      issuer: 'corp',
      subject: 'agent-1',
      kind: 'agent',
      name: 'Reporting agent',
      groups: ['ai-agents', 'etl'],
      claims: { ...goodClaims, repository: 'clinic/etl', level: 3 },
      onBehalfOf: null,
      expiresAtMs: nowMs + 600_000 + LEEWAY_MS,
    });
  });

  it('takes groups from one string with spaces, and none when there is no claim', async () => {
    assert.deepEqual((await authenticator.authenticate(await token({ groups: ' a  b a' }))).groups, ['a', 'b']);
    assert.deepEqual((await authenticator.authenticate(await token({ groups: undefined }))).groups, []);
    assert.deepEqual((await make({ groupsClaim: 'roles' }).authenticate(await token())).groups, []);
  });

  it('refuses groups that it does not understand, instead of taking them for none', async () => {
    for (const groups of [{ a: true }, 7, [1], ['a', null]]) await refuses('malformed', await token({ groups }));
  });

  it('makes the actor of a delegated token the principal, and the person the one it acts for', async () => {
    const principal = await make({ kind: { fixed: 'person' } }).authenticate(
      await token({ sub: 'alice', act: { sub: 'agent-7', act: { sub: 'agent-3' } } }),
    );
    assert.deepEqual([principal.subject, principal.kind, principal.name], ['agent-7', 'agent', 'agent-7']);
    assert.deepEqual(principal.onBehalfOf, { issuer: 'corp', subject: 'alice', kind: 'person' });
    assert.deepEqual(principal.claims['act'], ['agent-7', 'agent-3']);
  });

  it('refuses an actor chain that is odd, endless or vouched for by somebody else', async () => {
    for (const act of ['agent', 1, null, [], {}]) {
      await assert.rejects(authenticator.authenticate(await token({ act })), SallyportError, JSON.stringify(act));
    }
    await refuses('unknown-issuer', await token({ act: { sub: 'x', iss: 'https://other.example' } }));
    let act: Record<string, unknown> = { sub: 'a' };
    for (let depth = 0; depth < 20; depth += 1) act = { sub: 'a', act };
    await refuses('malformed', await token({ act }));
  });

  it('refuses a token whose kind is not established', async () => {
    await refuses('missing-claim', await token({ kind: undefined }));
    await refuses('missing-claim', await token({ kind: 'constructor' }));
    await refuses('missing-claim', await token({ kind: ['bot'] }));
    const lenient = make({ kind: { claim: 'kind', values: {}, otherwise: 'service' } });
    assert.equal((await lenient.authenticate(await token())).kind, 'service');
  });

  it('gives leeway of thirty seconds to exp and nbf, and no more', async () => {
    const at = (seconds: number) => nowMs / 1000 + seconds;
    await authenticator.authenticate(await token({ exp: at(-29), sub: 'a' }));
    await refuses('expired', await token({ exp: at(-30) }));
    await authenticator.authenticate(await token({ nbf: at(30), sub: 'b' }));
    await refuses('not-yet-valid', await token({ nbf: at(31) }));
  });

  it('refuses a remembered token once it has expired', async () => {
    const text = await token();
    await authenticator.authenticate(text);
    time.nowMs += 600_000 + LEEWAY_MS;
    await refuses('expired', text);
  });

  it('demands an audience, a subject and an expiry', async () => {
    await refuses('wrong-audience', await token({ aud: 'https://other.example' }));
    await refuses('wrong-audience', await token({ aud: [`${audience}/`, 'x'] }));
    await refuses('missing-claim', await token({ aud: undefined }));
    await refuses('missing-claim', await token({ sub: undefined }));
    await refuses('missing-claim', await token({ sub: '' }));
    await refuses('missing-claim', await token({ exp: undefined }));
    await authenticator.authenticate(await token({ aud: ['x', audience] }));
  });

  it('refuses subjects with control characters or of unreasonable length', async () => {
    await refuses('malformed', await token({ sub: 'alice\nadmin' }));
    await refuses('malformed', await token({ sub: 'x'.repeat(256) }));
  });

  it('refuses issuers that are not configured, compared exactly', async () => {
    for (const iss of [`${issuer}/`, issuer.toUpperCase(), 'https://evil.example', '', undefined]) {
      await refuses('unknown-issuer', await token({ iss }));
    }
    assert.deepEqual(idp.fetches, [], 'nothing is fetched for a stranger');
  });

  it('refuses a signature by another key of the same name', async () => {
    await refuses('bad-signature', await token({}, {}, foreign));
  });

  it('refuses a key that the provider does not publish', async () => {
    await refuses('bad-signature', await token({}, {}, { ...foreign, kid: 'k9' }));
  });

  it('does not take keys out of the token', async () => {
    const jwk = await exportJWK(foreign.publicKey);
    await refuses('bad-signature', await token({}, { jwk, jku: 'https://evil.example/jwks', x5u: 'https://evil.example' }, foreign));
    assert.ok(idp.fetches.every((url) => url.startsWith(issuer)));
  });

  it('refuses tokens without a signature', async () => {
    const body = part(goodClaims);
    await refuses('algorithm', `${part({ alg: 'none' })}.${body}.`);
    await refuses('algorithm', `${part({ alg: 'None', typ: 'JWT' })}.${body}.`);
    await refuses('malformed', `${part({})}.${body}.`.replace(part({}), part('x')));
  });

  it('refuses an HMAC made with the public key as secret', async () => {
    const signed = `${part({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' })}.${part(goodClaims)}`;
    for (const secret of [await exportSPKI(keys.publicKey), JSON.stringify(await exportJWK(keys.publicKey))]) {
      const mac = createHmac('sha256', secret).update(signed).digest('base64url');
      await refuses('algorithm', `${signed}.${mac}`);
    }
  });

  it('refuses algorithms outside the list of the provider', async () => {
    await refuses('algorithm', await token(), make({ algorithms: ['RS256'] }));
  });

  it('refuses tokens that were signed for another purpose', async () => {
    for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'token-introspection+jwt', 7]) {
      await refuses('malformed', await token({}, { typ }));
    }
    for (const [index, typ] of ['JWT', 'jwt', 'application/at+jwt', undefined].entries()) {
      await authenticator.authenticate(await token({ sub: `s${index}` }, { typ }));
    }
  });

  it('refuses extensions that must be understood', async () => {
    const header = { alg: 'ES256', kid: 'k1', crit: ['exotic'], exotic: 1 };
    const genuine = (await token()).split('.');
    await refuses('algorithm', `${part(header)}.${genuine[1]}.${genuine[2]}`);
  });

  it('refuses a token that is too long before it looks at it', async () => {
    await refuses('malformed', await token({ filler: 'x'.repeat(MAX_TOKEN_LENGTH) }));
    assert.deepEqual(idp.fetches, []);
  });

  it('fetches keys once for many tokens, and again for a key that is new', async () => {
    await Promise.all(['a', 'b', 'c'].map(async (sub) => authenticator.authenticate(await token({ sub }))));
    assert.equal(idp.fetches.length, 2);
    const next = await newKeys('k2');
    idp.keys = [next];
    assert.equal((await authenticator.authenticate(await token({}, {}, next))).subject, 'agent-1');
    assert.equal(idp.fetches.length, 3);
    await refuses('bad-signature', await token({ sub: 'late' }));
  });

  it('accepts a remembered token for at most a minute after its key was withdrawn', async () => {
    const text = await token();
    await authenticator.authenticate(text);
    idp.keys = [await newKeys('k2')];
    await refuses('bad-signature', await token({ sub: 'other' }, {}, { ...foreign, kid: 'k5' }));
    await authenticator.authenticate(text);
    time.monotonicMs += 60_000;
    await refuses('bad-signature', text);
  });

  it('says unavailable while the provider is down, asks it rarely, and works again after', async () => {
    idp.down = true;
    const text = await token();
    await unavailable(text);
    await unavailable(text);
    assert.equal(idp.fetches.length, 1);
    idp.down = false;
    time.monotonicMs += 1_000;
    await authenticator.authenticate(text);
  });

  it('says unavailable when the key set is broken', async () => {
    for (const body of ['no json', '[]', '{"keys":7}', '"x"']) {
      idp = new FakeIdp([keys]);
      const make2 = make();
      idp.respond = (url) => (url.endsWith('/jwks') ? new Response(body) : Response.json({ issuer, jwks_uri: idp.jwksUri }));
      await unavailable(await token(), make2);
    }
  });

  it('says unavailable when discovery is of another issuer, unsafe, an error, no object or too large', async () => {
    const cases: (() => Response)[] = [
      () => Response.json({ issuer: 'https://evil.example', jwks_uri: idp.jwksUri }),
      () => Response.json({ issuer: `${issuer}/`, jwks_uri: idp.jwksUri }),
      () => Response.json({ issuer, jwks_uri: 'http://idp.example/jwks' }),
      () => Response.json({ issuer, jwks_uri: 'http://127.0.0.1/jwks' }),
      () => Response.json({ issuer, jwks_uri: 'file:///etc/passwd' }),
      () => Response.json({ issuer }),
      () => Response.json(null),
      () => new Response('', { status: 500 }),
      () => new Response(`"${'x'.repeat(600 * 1024)}"`),
    ];
    for (const respond of cases) {
      idp = new FakeIdp([keys]);
      idp.respond = respond;
      await unavailable(await token(), make());
    }
  });

  it('keeps providers apart: one cannot sign for the other', async () => {
    const two = make({}, [{ ...corp, name: 'other', issuer: 'https://other.example' }]);
    await unavailable(await token({ iss: 'https://other.example' }), two);
    assert.equal((await two.authenticate(await token())).issuer, 'corp');
  });

  describe('configuration', () => {
    const invalid = (providers: readonly OidcProviderOptions[]) =>
      assert.throws(
        () =>
          createOidcAuthenticator({
            providers,
            clock: { nowMs: () => 0, monotonicMs: () => 0 },
            logger: { info() {}, warn() {}, error() {} },
          }),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_CONFIG_INVALID',
      );

    it('does not start without a provider or without an audience', () => {
      invalid([]);
      invalid([{ ...corp, audience: '' }]);
      invalid([{ ...corp, audience: [] }]);
    });

    it('does not start with HMAC, none or no algorithm', () => {
      for (const algorithms of [['HS256'], ['RS256', 'none'], ['NONE'], []]) invalid([{ ...corp, algorithms }]);
    });

    it('does not start with plain http off this machine', () => {
      for (const bad of [
        'http://idp.example',
        'http://127.0.0.1.evil.example',
        'ftp://127.0.0.1',
        'idp',
        'https://a:b@idp.example',
        'https://idp.example?x',
      ]) {
        invalid([{ ...corp, issuer: bad }]);
      }
      for (const good of ['http://127.0.0.1:99', 'http://localhost:1', 'http://[::1]:1']) make({ issuer: good });
    });

    it('does not start with one issuer or name twice', () => {
      invalid([corp, { ...corp, name: 'b' }]);
      invalid([corp, { ...corp, issuer: 'https://b.example' }]);
    });
  });
});

describeAuthenticator('OIDC', async () => ({
  authenticator: createOidcAuthenticator({
    providers: [corp],
    clock: { nowMs: () => nowMs, monotonicMs: () => 10_000 },
    logger: { info() {}, warn() {}, error() {} },
    fetch: new FakeIdp([keys]).fetch,
  }),
  good: await token(),
  expected: { issuer: 'corp', subject: 'agent-1', kind: 'agent' },
  vocabulary: TOKEN_FAULTS,
  close: async () => {},
}));
