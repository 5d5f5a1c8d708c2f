// A whole gateway for end-to-end tests: the real composition with a real configuration file, in a temporary directory, in
// front of a database the test brings. Identities come from the small test issuer.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { type GatewayPorts, type RunningGateway, startGateway } from '../../src/app/compose.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger, systemClock, systemRandom } from '../../src/app/ports.ts';
import { createLogKey, createSealingIdentity } from '../../src/audit/index.ts';
import type { ApprovalPreview } from '../../src/core/preview.ts';
import type { Secret } from '../../src/core/secret.ts';
import { type TestIssuer, startIssuer, testAudience } from './issuer.ts';

export interface TestTarget {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly safeFunctions?: readonly string[];
  readonly approvalPreview?: ApprovalPreview;
  readonly subjects?: readonly { readonly name: string; readonly columns: readonly string[] }[];
  /** PEM; given = verify-full. */
  readonly ca?: string;
}

/** A target before an account, such as the fake one. */
export interface TestSnowflakeTarget {
  readonly name: string;
  readonly account: { readonly account: string; readonly user: string; readonly port: number; readonly privateKeyPem: string };
  readonly databases: readonly string[];
  /** Instead of the key pair. */
  readonly credential?: Readonly<Record<string, unknown>>;
}

export interface TestGatewayOptions {
  readonly targets: readonly TestTarget[];
  /** With a listener of their own, without TLS. */
  readonly snowflake?: readonly TestSnowflakeTarget[];
  readonly policy: string;
  /** True = the PostgreSQL listener is plaintext. */
  readonly insecure?: boolean;
  readonly limits?: Readonly<Record<string, number>>;
  /** The provider `corp` instead of the small test issuer, such as one that browsers can log in with. */
  readonly identity?: { readonly issuer: string; readonly audience: string; readonly console: Readonly<Record<string, unknown>> };
  /** More of the `api` section, or `tls` taken out of it. */
  readonly api?: Readonly<Record<string, unknown>>;
  /** More of the `audit` section. */
  readonly audit?: (logKey: { readonly vkey: string }) => Readonly<Record<string, unknown>>;
  readonly ports?: Partial<GatewayPorts>;
  /** false = write the files only. */
  readonly start?: boolean;
}

export interface TestGateway {
  readonly directory: string;
  readonly configFile: string;
  readonly ca: string;
  readonly issuer: TestIssuer;
  readonly sealingIdentity: Secret;
  /** Port of the PostgreSQL listener of the running gateway. */
  readonly port: number;
  /** Port of the Snowflake listener. */
  readonly snowflakePort: number;
  readonly running: RunningGateway;
  /** Starts the gateway again on the same directory after `running.stop()`. */
  restart(ports?: Partial<GatewayPorts>): Promise<void>;
  close(): Promise<void>;
}

export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-e2e-'));
  const issuer = await startIssuer();
  const nowMs = Date.now();
  const authority = await createAuthority({ name: 'Sallyport test CA', nowMs });
  const server = await issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs });
  const logKey = createLogKey('audit.test/e2e');
  const sealing = await createSealingIdentity();
  for (const folder of ['keys', 'tls']) mkdirSync(join(directory, folder), { mode: 0o700 });
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text, { mode: 0o600 });
  write('tls/ca.crt', authority.certificate);
  write('tls/server.crt', server.certificate);
  write('tls/server.key', server.key);
  write('keys/log.key', logKey.signingKey.reveal());
  write('keys/log.vkey', logKey.vkey);
  write('keys/token.key', 'e'.repeat(64));
  write('policy.yaml', options.policy);
  const targets = options.targets.map((target, index) => {
    write(`keys/target-${index}`, target.password);
    if (target.ca !== undefined) write(`tls/target-${index}.crt`, target.ca);
    return {
      name: target.name,
      protocol: 'postgres',
      address: `${target.host}:${target.port}`,
      database: target.database,
      user: target.user,
      password: { file: `keys/target-${index}` },
      tls: target.ca === undefined ? { mode: 'disable', insecure: true } : { mode: 'verify-full', ca: `tls/target-${index}.crt` },
      safeFunctions: target.safeFunctions ?? [],
      ...(target.subjects === undefined ? {} : { subjects: target.subjects }),
      ...(target.approvalPreview === undefined ? {} : { approvalPreview: target.approvalPreview }),
    };
  });
  const snowflakeTargets = (options.snowflake ?? []).map(({ name, account, databases, credential }, index) => {
    write(`keys/snowflake-${index}.p8`, account.privateKeyPem);
    return {
      name,
      protocol: 'snowflake',
      account: account.account,
      address: `127.0.0.1:${account.port}`,
      user: account.user,
      credential: credential ?? { keyPair: { privateKey: { file: `keys/snowflake-${index}.p8` } } },
      role: 'SYSADMIN',
      warehouse: 'CLINIC_WH',
      databases,
      tls: { mode: 'disable', insecure: true },
    };
  });
  const tls = { certificate: 'tls/server.crt', key: 'tls/server.key' };
  // JSON is YAML: no templating of user text into a document.
  write(
    'sallyport.yaml',
    JSON.stringify(
      {
        version: 1,
        dataDirectory: './data',
        listeners: [
          { protocol: 'postgres', address: '127.0.0.1:0', ...(options.insecure === true ? { insecure: true } : { tls }) },
          ...(snowflakeTargets.length === 0 ? [] : [{ protocol: 'snowflake', address: '127.0.0.1:0', insecure: true }]),
        ],
        api: { address: '127.0.0.1:0', tls, auditors: ['officer'], operators: ['officer'], ...options.api },
        identity: {
          providers: [
            { name: 'corp', issuer: issuer.url, audience: testAudience, groupsClaim: 'groups', kindClaim: 'kind', ...options.identity },
          ],
        },
        targets: [...targets, ...snowflakeTargets],
        policy: { files: ['policy.yaml'] },
        audit: {
          origin: 'audit.test/e2e',
          signingKey: { file: 'keys/log.key' },
          recipients: [sealing.recipient],
          ...options.audit?.(logKey),
        },
        tokenKey: { file: 'keys/token.key' },
        limits: options.limits ?? {},
      },
      null,
      1,
    ),
  );
  const configFile = join(directory, 'sallyport.yaml');
  const fatal: GatewayPorts['onFatal'] = () => undefined;
  const start = async (ports: Partial<GatewayPorts> = {}): Promise<RunningGateway> =>
    startGateway(await loadConfig(configFile), {
      clock: systemClock,
      random: systemRandom,
      logger: createLogger('silent'),
      onFatal: fatal,
      ...options.ports,
      ...ports,
    });
  let running: RunningGateway | null = options.start === false ? null : await start();
  const live = (): RunningGateway => {
    if (running === null) throw new Error('the gateway was not started');
    return running;
  };
  return {
    directory,
    configFile,
    ca: authority.certificate,
    issuer,
    sealingIdentity: sealing.identity,
    get port() {
      return live().listeners[0]!.port;
    },
    get snowflakePort() {
      return live().listeners.find(({ protocol }) => protocol === 'snowflake')?.port ?? 0;
    },
    get running() {
      return live();
    },
    async restart(ports) {
      running = await start(ports);
    },
    async close() {
      await running?.stop(AbortSignal.abort()).catch(() => undefined);
      await issuer.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
