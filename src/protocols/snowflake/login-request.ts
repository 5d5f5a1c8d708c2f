// A client's log-in, read: which token it brings, to which target, with which wishes. Pure.
// REFUSES: every authenticator whose credential is not a token of an identity provider, roles other than the target's, session
// parameters that are not known to be harmless.

import { type NativeError, NATIVE } from './errors.ts';
import { CODES, type JsonObject, objectAt, textAt } from './protocol.ts';
import { Secret } from '../../core/secret.ts';
import { harmlessParameters } from './session-parameters.ts';

export type Authenticator = 'oauth' | 'token' | 'password' | 'browser';

export interface LoginWishes {
  /** What the client gave for an account: the name of a target. */
  readonly account: string;
  /** Display only. */
  readonly user: string;
  readonly by: Authenticator;
  /** For `browser`: the one-time code that the browser brought. */
  readonly token: Secret;
  /** For `browser` only. */
  readonly proofKey: string | null;
  readonly appId: string;
  readonly appVersion: string;
  readonly environment: JsonObject;
  readonly sessionParameters: JsonObject;
  readonly warehouse: string | null;
  readonly database: string | null;
  readonly schema: string | null;
  readonly role: string | null;
}

const maxNameChars = 255;
const maxEnvironmentBytes = 16 * 1024;

const loginRefusal = (message: string, code: string = CODES.loginFailed): NativeError => ({
  code,
  sqlState: NATIVE.identity.sqlState,
  message: `sallyport: ${message}`,
});

const useToken = 'Use authenticator OAUTH (or a password) with a token of your identity provider, or EXTERNALBROWSER.';

/** How each authenticator of the drivers is taken. */
const authenticators: Readonly<Record<string, Authenticator | NativeError>> = {
  OAUTH: 'oauth',
  PROGRAMMATIC_ACCESS_TOKEN: 'token',
  WORKLOAD_IDENTITY: 'token',
  SNOWFLAKE: 'password',
  EXTERNALBROWSER: 'browser',
  SNOWFLAKE_JWT: loginRefusal(`key-pair log-in is not taken: only the gateway has keys of the account. ${useToken}`),
  ID_TOKEN: loginRefusal('there are no cached log-ins.', CODES.idTokenInvalid),
  USERNAME_PASSWORD_MFA: loginRefusal(`second factors are asked for by your identity provider. ${useToken}`),
  PAT_WITH_EXTERNAL_SESSION: loginRefusal(`external sessions are not taken. ${useToken}`),
};

/** @param query of the request's address */
export function readLogin(body: JsonObject, query: URLSearchParams): LoginWishes | NativeError {
  const data = objectAt(body, 'data');
  const environment = objectAt(data, 'CLIENT_ENVIRONMENT');
  const taken = authenticatorOf(data, environment);
  if (typeof taken !== 'string') return taken;
  const { by, token } = credentialOf(taken, data);
  if (token === null) return loginRefusal(`the log-in brings no token. ${useToken}`);
  const proofKey = textAt(data, 'PROOF_KEY');
  if (by === 'browser' && proofKey === null) return loginRefusal('the log-in brings no proof key.');
  const account = textAt(data, 'ACCOUNT_NAME');
  if (account === null || account.length > maxNameChars) return loginRefusal('name a target as the account.');
  const parameters = harmlessParameters(objectAt(data, 'SESSION_PARAMETERS'));
  if ('refused' in parameters) {
    return { ...NATIVE.unsupported, message: `sallyport: the session parameter ${parameters.refused} cannot be set through the gateway.` };
  }
  return {
    account: account.toLowerCase(),
    user: (textAt(data, 'LOGIN_NAME') ?? '').slice(0, maxNameChars),
    by,
    token: new Secret(token),
    proofKey: by === 'browser' ? proofKey : null,
    appId: wordOf(data, 'CLIENT_APP_ID'),
    appVersion: wordOf(data, 'CLIENT_APP_VERSION'),
    environment: environmentOf(environment),
    sessionParameters: parameters.harmless,
    warehouse: nameOf(query, 'warehouse'),
    database: nameOf(query, 'databaseName'),
    schema: nameOf(query, 'schemaName'),
    role: nameOf(query, 'roleName'),
  };
}

function authenticatorOf(data: JsonObject, environment: JsonObject): Authenticator | NativeError {
  const named = (textAt(data, 'AUTHENTICATOR') ?? '').toUpperCase();
  if (textAt(data, 'RAW_SAML_RESPONSE') !== null || /^HTTPS?:/.test(named)) {
    return loginRefusal(`native Okta log-in is not taken. ${useToken}`);
  }
  if (textAt(data, 'PASSCODE') !== null || textAt(data, 'EXT_AUTHN_DUO_METHOD') === 'passcode') {
    return loginRefusal(`second factors are asked for by your identity provider. ${useToken}`);
  }
  if (named === 'WORKLOAD_IDENTITY' && textAt(data, 'PROVIDER')?.toUpperCase() !== 'OIDC') {
    return loginRefusal('of workload identities only the provider OIDC is taken.');
  }
  // Drivers say nothing for a password; Go's says nothing for OAuth flows either.
  if (named === '') return textAt(environment, 'OAUTH_TYPE') !== null && textAt(data, 'TOKEN') !== null ? 'oauth' : 'password';
  const taken = Object.hasOwn(authenticators, named) ? authenticators[named] : undefined;
  return taken ?? loginRefusal(`this authenticator is not taken. ${useToken}`);
}

function credentialOf(by: Authenticator, data: JsonObject): { readonly by: Authenticator; readonly token: string | null } {
  return { by, token: by === 'password' ? textAt(data, 'PASSWORD') : textAt(data, 'TOKEN') };
}

function nameOf(query: URLSearchParams, name: string): string | null {
  const value = query.get(name);
  return value === null || value === '' || value.length > maxNameChars ? null : value;
}

/** Goes on to the account as it is, so it is a plain word. */
function wordOf(data: JsonObject, name: string): string {
  return (textAt(data, name) ?? '').replaceAll(/[^A-Za-z0-9._ ()/+-]/g, '').slice(0, 100);
}

/** Texts and numbers of the client's machine that the account may look at; what tells of the log-in stays here. */
function environmentOf(environment: JsonObject): JsonObject {
  const kept = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => !/TOKEN|OAUTH|AUTH|SECRET|PASSWORD/i.test(name) && ['string', 'number', 'boolean'].includes(typeof value),
    ),
  );
  return JSON.stringify(kept).length <= maxEnvironmentBytes ? kept : {};
}
