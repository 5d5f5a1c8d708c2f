// Who may log in: key-pair JWTs, OAuth tokens and programmatic access tokens, as an account of Snowflake checks them.

import { type KeyObject, createHash, createPublicKey, verify } from 'node:crypto';

export interface Credentials {
  /** Of the one service user, in capitals. */
  readonly user: string;
  readonly publicKey: KeyObject;
  readonly oauthTokens: ReadonlySet<string>;
  readonly accessTokens: ReadonlySet<string>;
}

export interface LoginData {
  readonly ACCOUNT_NAME?: string;
  readonly LOGIN_NAME?: string;
  readonly AUTHENTICATOR?: string;
  readonly TOKEN?: string;
  readonly PASSWORD?: string;
  readonly CLIENT_APP_ID?: string;
  readonly CLIENT_APP_VERSION?: string;
  readonly SESSION_PARAMETERS?: Readonly<Record<string, unknown>>;
  readonly CLIENT_ENVIRONMENT?: Readonly<Record<string, unknown>>;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

const wrongJwt: Refusal = { code: '390144', message: 'JWT token is invalid. [5a9e1c2f-fake]' };

/** Null = the log-in is good. */
export function refusalOf(data: LoginData, account: string, credentials: Credentials): Refusal | null {
  if ((data.ACCOUNT_NAME ?? '').toUpperCase() !== account)
    return { code: '390201', message: 'The requested account does not exist or is not authorized.' };
  const token = data.TOKEN ?? '';
  switch ((data.AUTHENTICATOR ?? 'SNOWFLAKE').toUpperCase()) {
    case 'SNOWFLAKE_JWT':
      return (data.LOGIN_NAME ?? '').toUpperCase() === credentials.user && isGoodJwt(token, account, credentials) ? null : wrongJwt;
    case 'OAUTH':
      if (token.startsWith('expired')) return { code: '390318', message: 'OAuth access token expired. [fake]' };
      return credentials.oauthTokens.has(token) ? null : { code: '390303', message: 'Invalid OAuth access token. [fake]' };
    case 'PROGRAMMATIC_ACCESS_TOKEN':
      return credentials.accessTokens.has(token) ? null : { code: '394400', message: 'Programmatic access token is invalid.' };
    default:
      return { code: '390100', message: 'Incorrect username or password was specified.' };
  }
}

/** `SHA256:` and the digest of the key, as ALTER USER shows it. */
export function fingerprintOf(key: KeyObject): string {
  return `SHA256:${createHash('sha256')
    .update(createPublicKey(key.export({ format: 'pem', type: 'spki' })).export({ format: 'der', type: 'spki' }))
    .digest('base64')}`;
}

function isGoodJwt(token: string, account: string, { user, publicKey }: Credentials): boolean {
  const [header = '', payload = '', signature = '', ...rest] = token.split('.');
  if (rest.length > 0 || signature === '') return false;
  const read = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  try {
    if (read(header)['alg'] !== 'RS256') return false;
    const { iss, sub, exp, iat } = read(payload);
    if (iss !== `${account}.${user}.${fingerprintOf(publicKey)}` || sub !== `${account}.${user}`) return false;
    // Node's driver says milliseconds.
    const seconds = (value: unknown): number => (typeof value === 'number' ? (value > 1e11 ? value / 1000 : value) : NaN);
    const nowS = Date.now() / 1000;
    if (!(seconds(exp) > nowS) || !(seconds(iat) < nowS + 60) || seconds(exp) - seconds(iat) > 3601) return false;
    return verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}
