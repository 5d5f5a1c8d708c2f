// A small OpenID issuer for end-to-end tests: discovery and JWKS over loopback HTTP, tokens signed on demand.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';

export interface TestIssuer {
  readonly url: string;
  /** A token for `subject`; `claims` override or add. */
  token(subject: string, claims?: Record<string, unknown>, options?: { audience?: string; expiresInS?: number }): Promise<string>;
  close(): Promise<void>;
}

export const testAudience = 'sallyport-test';

export async function startIssuer(): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test-1', alg: 'ES256', use: 'sig' };
  let url = '';
  const server = createServer((request, response) => {
    const body =
      request.url === '/.well-known/openid-configuration'
        ? { issuer: url, jwks_uri: `${url}/jwks`, authorization_endpoint: `${url}/auth`, response_types_supported: ['code'] }
        : request.url === '/jwks'
          ? { keys: [jwk] }
          : null;
    response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    token(subject, claims = {}, options = {}) {
      const nowS = Math.floor(Date.now() / 1000);
      return new SignJWT({ groups: [], kind: 'agent', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'test-1', typ: 'at+jwt' })
        .setIssuer(url)
        .setSubject(subject)
        .setAudience(options.audience ?? testAudience)
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + (options.expiresInS ?? 600))
        .sign(privateKey);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
