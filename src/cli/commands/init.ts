// `sallyport init`: writes a working configuration with fresh keys into a directory. Nothing that exists is touched.

import type { Command } from 'commander';
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeSigningKey, isNoteName, noteSigner } from '../../audit/tlog/index.ts';
import { usageFailure } from '../failure.ts';
import type { CliDeps } from '../ports.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { OFFLINE_README, STARTER_IGNORE, starterConfig, starterPolicy } from '../starter-files.ts';

interface InitOptions {
  readonly target: string;
  readonly address: string;
  readonly database?: string;
  readonly user: string;
  readonly issuer: string;
  readonly audience: string;
  readonly origin: string;
  readonly host: string[];
  readonly listen: string;
  readonly apiListen: string;
}

interface StarterFile {
  readonly path: string;
  readonly text: string;
  /** Readable by the owner only. */
  readonly isSecret: boolean;
}

export function initCommand(program: Command, setting: CommandSetting, certificates: CliDeps['certificates']): void {
  withExamples(
    program
      .command('init [directory]')
      .description('write sallyport.yaml, policy.yaml and fresh keys into a directory; overwrites nothing')
      .option('--target <name>', 'name of the first target', 'clinic')
      .option('--address <host:port>', 'address of its database', 'db.internal:5432')
      .option('--database <name>', 'name of its database (default: the name of the target)')
      .option('--user <name>', 'user the gateway logs in as', 'sallyport')
      .option('--issuer <url>', 'OIDC issuer of your identity provider', 'https://idp.example.com')
      .option('--audience <text>', 'audience its tokens must have', 'sallyport')
      .option('--origin <name>', 'name of the audit log, for ever', 'sallyport.example.com/main')
      .option('--host <name...>', 'names and addresses for the server certificate', ['localhost', '127.0.0.1', '::1'])
      .option('--listen <host:port>', 'where clients connect', '127.0.0.1:6432')
      .option('--api-listen <host:port>', 'where the API listens', '127.0.0.1:8443')
      .action(async (directory: string | undefined, options: InitOptions, command: Command) => {
        const { out } = runOf(command, setting);
        const root = directory ?? '.';
        const { files, verifierKey, recipient } = await starterFiles(options, certificates);
        await refuseExisting(root, files);
        for (const file of files) await writeNew(root, file);
        const next = [
          `Move ${join(root, 'offline')} off this machine: it opens recordings and signs certificates.`,
          `Edit ${join(root, 'sallyport.yaml')}: the identity provider and the address of the database.`,
          `Edit ${join(root, 'policy.yaml')}: which columns are protected, who may read them.`,
          `${passwordEnv(options.target)}=... sallyport serve -c ${join(root, 'sallyport.yaml')}`,
        ];
        if (out.isJson) return out.json({ directory: root, files: files.map((file) => file.path), verifierKey, recipient, next });
        for (const file of files) out.line(`wrote ${join(root, file.path)}${file.isSecret ? '  (secret)' : ''}`);
        out.line();
        out.line(`verifier key of the audit log, to keep elsewhere: ${verifierKey}`);
        out.line();
        out.line('Next:');
        next.forEach((step, index) => out.line(`  ${index + 1}. ${step}`));
      }),
    [
      'sallyport init',
      'sallyport init /etc/sallyport --issuer https://login.example.com --address db.internal:5432 --host gateway.example.com',
    ],
  );
}

function passwordEnv(target: string): string {
  return `${target.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
}

async function starterFiles(options: InitOptions, certificates: CliDeps['certificates']) {
  if (!/^[a-z][a-z0-9_-]{0,62}$/.test(options.target)) {
    throw usageFailure(
      `${options.target} cannot be the name of a target`,
      'Use lower-case letters, digits and dashes, starting with a letter.',
    );
  }
  if (!isNoteName(options.origin)) {
    throw usageFailure('the origin has white space or a plus sign', 'Use a name such as sallyport.example.com/main.');
  }
  const seed = randomBytes(32);
  const verifierKey = noteSigner(options.origin, seed).vkey;
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const { authority, server } = await certificates(options.host);
  const choices = { ...options, database: options.database ?? options.target, passwordEnv: passwordEnv(options.target), recipient };
  const open = (path: string, text: string): StarterFile => ({ path, text, isSecret: false });
  const secret = (path: string, text: string): StarterFile => ({ path, text, isSecret: true });
  const files = [
    open('sallyport.yaml', starterConfig(choices)),
    open('policy.yaml', starterPolicy(choices)),
    open('.gitignore', STARTER_IGNORE),
    secret('keys/log.key', `${encodeSigningKey(options.origin, seed)}\n`),
    open('keys/log.vkey', `${verifierKey}\n`),
    secret('keys/token.key', `${randomBytes(32).toString('hex')}\n`),
    open('tls/ca.crt', authority.certificate),
    open('tls/server.crt', server.certificate),
    secret('tls/server.key', server.key),
    open('offline/README', OFFLINE_README),
    secret('offline/ca.key', authority.key),
    secret('offline/sealing-identity.txt', `# public key: ${recipient}\n${identity}\n`),
  ];
  return { files, verifierKey, recipient };
}

async function refuseExisting(root: string, files: readonly StarterFile[]): Promise<void> {
  const found: string[] = [];
  for (const { path } of files) {
    const exists = await lstat(join(root, path)).then(
      () => true,
      () => false,
    );
    if (exists) found.push(path);
  }
  if (found.length > 0) {
    throw usageFailure(`${root} already has ${found.join(', ')}`, 'Nothing was written. Give another directory, or move these files away.');
  }
}

/** `wx` fails on anything that appeared since the check: nothing is ever overwritten, no link is followed. */
export async function writeNew(root: string, { path, text, isSecret }: StarterFile): Promise<void> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, text, { flag: 'wx', mode: isSecret ? 0o600 : 0o644 });
}
