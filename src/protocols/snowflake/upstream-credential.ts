// What the gateway shows an account at log-in: a JWT signed with its key, a token, or a token that it fetches from a token URL.
// Secrets are resolved for each connection, so that a rotated one is taken at once. SPEC: research of docs/protocols/snowflake.md,
// "Log-in"; RFC 6749, section 4.4.

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { isLoopback } from '../../core/address.ts';
import { SallyportError } from '../../core/error.ts';
import type { Clock } from '../../core/ports.ts';
import type { Secret } from '../../core/secret.ts';
import { isObject, type JsonObject, textAt } from './protocol.ts';

export type SecretReader = () => Promise<Secret>;

export type SnowflakeCredential =
  /** RSA, PKCS#8 PEM; may be encrypted. */
  | { readonly kind: 'key-pair'; readonly privateKey: SecretReader; readonly passphrase: SecretReader | null }
  | { readonly kind: 'oauth'; readonly token: SecretReader }
  | {
      readonly kind: 'oauth-client';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: SecretReader;
      readonly scope: string | null;
    }
  /** Programmatic access token. */
  | { readonly kind: 'access-token'; readonly token: SecretReader };

const jwtLifeS = 120;
const tokenTimeoutMs = 10_000;
const maxTokenAnswerBytes = 64 * 1024;

/** Fields of the log-in. @throws SP_UPSTREAM_AUTH, SP_UPSTREAM_UNREACHABLE, SP_CONFIG_INVALID */
export async function credentialFields(
  credential: SnowflakeCredential,
  who: { readonly account: string; readonly user: string },
  clock: Clock,
  signal: AbortSignal,
): Promise<JsonObject> {
  switch (credential.kind) {
    case 'key-pair': {
      const passphrase = credential.passphrase === null ? null : await credential.passphrase();
      const key = privateKeyOf(await credential.privateKey(), passphrase);
      return { AUTHENTICATOR: 'SNOWFLAKE_JWT', TOKEN: keyPairToken(key, who, clock.nowMs()) };
    }
    case 'oauth':
      return { AUTHENTICATOR: 'OAUTH', TOKEN: (await credential.token()).reveal() };
    case 'access-token':
      return { AUTHENTICATOR: 'PROGRAMMATIC_ACCESS_TOKEN', TOKEN: (await credential.token()).reveal() };
    case 'oauth-client':
      return { AUTHENTICATOR: 'OAUTH', TOKEN: await clientToken(credential, signal) };
  }
}

/** Checked when the configuration is loaded. @throws SP_CONFIG_INVALID */
export function checkCredential(credential: SnowflakeCredential): void {
  if (credential.kind !== 'oauth-client') return;
  const url = URL.parse(credential.tokenUrl);
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))) {
    throw new SallyportError('SP_CONFIG_INVALID', 'the token URL of a target must use https');
  }
}

function privateKeyOf(pem: Secret, passphrase: Secret | null): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem.reveal(), ...(passphrase === null ? {} : { passphrase: passphrase.reveal() }) });
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', 'the private key of a target cannot be read', { cause });
  }
  if (key.asymmetricKeyType !== 'rsa') throw new SallyportError('SP_CONFIG_INVALID', 'the private key of a target is not an RSA key');
  return key;
}

/** `ACCOUNT.USER.SHA256:<fingerprint of the public key>`, both parts upper case, the account without its region. */
function keyPairToken(key: KeyObject, { account, user }: { readonly account: string; readonly user: string }, nowMs: number): string {
  const fingerprint = createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const subject = `${(account.split('.')[0] ?? account).toUpperCase()}.${user.toUpperCase()}`;
  const issuedS = Math.floor(nowMs / 1000);
  const claims = { iss: `${subject}.SHA256:${fingerprint}`, sub: subject, iat: issuedS, exp: issuedS + jwtLifeS };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${sign('sha256', Buffer.from(body), key).toString('base64url')}`;
}

async function clientToken(
  { tokenUrl, clientId, clientSecret, scope }: Extract<SnowflakeCredential, { kind: 'oauth-client' }>,
  signal: AbortSignal,
): Promise<string> {
  const secret = (await clientSecret()).reveal();
  const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64');
  let response: Response;
  let text: string;
  try {
    response = await fetch(tokenUrl, {
      method: 'POST',
      redirect: 'error',
      headers: { authorization: `Basic ${basic}`, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope === null ? {} : { scope }) }).toString(),
      signal: AbortSignal.any([signal, AbortSignal.timeout(tokenTimeoutMs)]),
    });
    text = await boundedText(response);
  } catch (cause) {
    throw new SallyportError('SP_UPSTREAM_UNREACHABLE', 'the token URL of a target cannot be reached', { cause });
  }
  const answer = response.ok ? jsonOf(text) : null;
  const token = textAt(answer, 'access_token');
  if (token === null) throw new SallyportError('SP_UPSTREAM_AUTH', 'the token URL of a target gave no token');
  return token;
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > maxTokenAnswerBytes) throw new Error('answer over the limit');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function jsonOf(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
