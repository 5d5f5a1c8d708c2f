// A whole gateway before fake accounts of Snowflake: the real composition with a real configuration file.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import type { FakeAccount } from '../snowflake/fake/account.ts';
import { type TestGateway, startTestGateway } from './gateway.ts';

export interface SnowflakeTargetOptions {
  /** What clients give as account. */
  readonly name: string;
  readonly account: FakeAccount;
  /** Default the key pair. */
  readonly credential?: 'keyPair' | 'oauth' | 'pat';
  /** PEM of the account's authority; absent = http on loopback. */
  readonly ca?: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

export interface SnowflakeGatewayOptions {
  readonly targets: readonly SnowflakeTargetOptions[];
  readonly policy: string;
  /** True = clients speak TLS to the gateway. */
  readonly tls?: boolean;
  readonly limits?: Readonly<Record<string, number>>;
  readonly listener?: Readonly<Record<string, unknown>>;
}

export interface SnowflakeGateway {
  readonly gateway: TestGateway;
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** The files of the gateway, which is not started. */
export async function writeSnowflakeGateway({
  targets,
  policy,
  tls = false,
  limits,
  listener,
}: SnowflakeGatewayOptions): Promise<{ readonly gateway: TestGateway }> {
  const gateway = await startTestGateway({ targets: [], policy, start: false, ...(limits === undefined ? {} : { limits }) });
  const write = (name: string, text: string): void => writeFileSync(join(gateway.directory, name), text, { mode: 0o600 });
  const document = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, unknown>;
  const files = { tls: { certificate: 'tls/server.crt', key: 'tls/server.key' } };
  document['listeners'] = [{ protocol: 'snowflake', address: '127.0.0.1:0', ...(tls ? files : { insecure: true }), ...listener }];
  document['targets'] = targets.map(({ name, account, credential = 'keyPair', ca, more }, index) => {
    const secret = { keyPair: account.privateKeyPem, oauth: account.oauthToken, pat: account.accessToken }[credential];
    write(`keys/snowflake-${index}`, secret);
    if (ca !== undefined) write(`tls/snowflake-${index}.crt`, ca);
    const file = { file: `keys/snowflake-${index}` };
    return {
      name,
      protocol: 'snowflake',
      account: account.account.toLowerCase(),
      address: `127.0.0.1:${account.port}`,
      user: account.user,
      credential: { keyPair: { keyPair: { privateKey: file } }, oauth: { oauth: { token: file } }, pat: { pat: file } }[credential],
      role: 'SYSADMIN',
      warehouse: 'CLINIC_WH',
      databases: ['CLINIC'],
      tls: ca === undefined ? { mode: 'disable', insecure: true } : { mode: 'verify-full', ca: `tls/snowflake-${index}.crt` },
      ...more,
    };
  });
  write('sallyport.yaml', JSON.stringify(document, null, 1));
  return { gateway };
}

export async function startSnowflakeGateway(options: SnowflakeGatewayOptions): Promise<SnowflakeGateway> {
  const { gateway } = await writeSnowflakeGateway(options);
  try {
    await gateway.restart();
  } catch (fault) {
    await gateway.close();
    throw fault;
  }
  return {
    gateway,
    get url() {
      return `${options.tls === true ? 'https' : 'http'}://127.0.0.1:${gateway.port}`;
    },
    get port() {
      return gateway.port;
    },
    close: async () => await gateway.close(),
  };
}

/** A certificate for a fake account, and the authority that clients must trust. */
export async function accountTls(): Promise<{ readonly tls: { readonly key: string; readonly cert: string }; readonly ca: string }> {
  const nowMs = Date.now();
  const authority = await createAuthority({ name: 'Fake Snowflake CA', nowMs });
  const { certificate, key } = await issueServerCertificate(authority, { hosts: ['127.0.0.1', 'localhost'], nowMs });
  return { tls: { key, cert: certificate }, ca: authority.certificate };
}
