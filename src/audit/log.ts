// Opening the audit log: options, directory, recovery. The log itself is in group-commit.ts.
// REFUSES: a directory that is not what this log left behind (docs/formats/log.md, "Start").

import { dirname, resolve } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { AuditLog, AuditReader, Clock, Logger, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { Disk } from './disk.ts';
import { existingAncestor, makeDurableDir, nodeDisk, readWhole, replaceFile } from './disk.ts';
import { isReplicaName } from './entry.ts';
import { GroupCommitLog } from './group-commit.ts';
import { parseSigningKey } from './keys.ts';
import { auditDirs } from './log-files.ts';
import { Packs } from './packs.ts';
import { Publisher } from './publisher.ts';
import { recover } from './recovery.ts';
import { checkRecipients } from './sealing.ts';
import { Segments } from './segments.ts';

export interface AuditLogOptions {
  /** Directory of the log; created when absent. Exactly one process may use it. */
  readonly dir: string;
  /** Name of the log, never changed: `audit.<customer-domain>/<deployment>`. */
  readonly origin: string;
  /** Name of this gateway: letters, digits, `.`, `_`, `-`. */
  readonly replica: string;
  /** `PRIVATE+KEY+...` of `createLogKey`, or an Ed25519 PKCS#8 key as PEM or base64. */
  readonly signingKey: Secret;
  /** age public keys that can open sealed payloads; at least one. */
  readonly recipients: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, when the log can no longer promise durability. The process must stop taking traffic and end. */
  readonly onFatal?: (error: SallyportError) => void;
  /** A longer payload is sealed as its beginning, marked truncated. Default 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** A journal segment is closed when it has reached this size. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Default 1000. */
  readonly checkpointMs?: number;
  /** Default 60 000. */
  readonly heartbeatMs?: number;
  /** For fault injection. Default: the file system of the machine. */
  readonly disk?: Disk;
}

export interface OpenAuditLog extends AuditLog, AuditReader {
  /** Public key of the log in text form. */
  readonly vkey: string;
  /** Brings the signed checkpoint up to every durable entry. @returns the checkpoint. */
  publish(): Promise<string>;
  /** A file an auditor may fetch, by its path below `log/`; null when there is none. */
  file(path: string): Promise<Uint8Array | null>;
  /** Drops the data key of a session from memory. `session.close` does it too. */
  forgetSession(session: string): void;
  /** Finishes what is queued, writes `log.closed` and the final checkpoint. Later appends are refused. */
  close(): Promise<void>;
}

/** Opens or creates the log, repairs a torn tail and appends `log.opened`.
 *  @throws SP_CONFIG_INVALID for options that cannot work, SP_AUDIT_CORRUPT when the directory is not what this log left
 *  behind, SP_AUDIT_UNWRITABLE when the disk cannot be used. */
export async function openAuditLog(options: AuditLogOptions): Promise<OpenAuditLog> {
  const { replica, recipients, disk = nodeDisk } = options;
  const dir = resolve(options.dir);
  if (!isReplicaName(replica))
    throw new SallyportError('SP_CONFIG_INVALID', 'the replica name has characters other than letters, digits, ".", "_", "-"');
  const signer = parseSigningKey(options.signingKey, options.origin);
  await checkRecipients(recipients);
  const dirs = auditDirs(dir);
  try {
    const above = await existingAncestor(disk, dirname(dir));
    for (const path of [dirs.log, dirs.journal, dirs.blobs, dirs.keys]) await makeDurableDir(disk, above, path);
    await fixVerifierKey(disk, dirs.vkey, dirs.log, signer.vkey);
    const recovered = await recover(disk, dirs, signer.vkey);
    const publisher = new Publisher({ disk, log: dirs.log, signer, frontier: recovered.frontier, checkpoint: recovered.checkpoint });
    const packs = new Packs(disk, dirs.blobs);
    await packs.open();
    const segments = await Segments.open(disk, dirs.journal, options.segmentBytes ?? 64 * 1024 * 1024, recovered.journal);
    const log = new GroupCommitLog({ options, dirs, disk, vkey: signer.vkey, publisher, packs, segments, recovered });
    await log.start();
    return log;
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the directory of the audit log cannot be used', { cause });
  }
}

async function fixVerifierKey(disk: Disk, path: string, log: string, vkey: string): Promise<void> {
  const known = (await readWhole(disk, path))?.toString('utf8').trim() ?? null;
  if (known === vkey) return;
  if (known !== null) throw new SallyportError('SP_AUDIT_CORRUPT', 'this log was begun with another origin or signing key');
  await replaceFile(disk, path, [Buffer.from(`${vkey}\n`)]);
  await disk.syncDir(log);
}
