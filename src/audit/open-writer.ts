// Opening the directory of a log: its key, recovery, journal. What comes out is the writer, which has appended `log.opened`.
// REFUSES: a directory that is not what this log left behind (docs/formats/log.md, "Start").

import { dirname } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Clock, Logger, Random } from '../core/ports.ts';
import type { Disk } from './disk.ts';
import { existingAncestor, makeDurableDir } from './disk.ts';
import type { LogSigners } from './key-files.ts';
import { knownKey, prepareKeys } from './key-files.ts';
import { auditDirs } from './log-files.ts';
import { Packs } from './packs.ts';
import { Publisher } from './publisher.ts';
import { recover } from './recovery.ts';
import { Segments } from './segments.ts';
import type { WriterOptions } from './writer.ts';
import { LogWriter } from './writer.ts';

export interface OpenWriterOptions extends WriterOptions {
  /** Absolute. */
  readonly dir: string;
  readonly segmentBytes: number;
}

export interface WriterPorts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFault: (fault: SallyportError) => void;
}

/** @throws SP_AUDIT_CORRUPT when the directory is not what this log left behind, SP_AUDIT_UNWRITABLE when the disk cannot be used. */
export async function openWriter(options: OpenWriterOptions, signers: LogSigners, ports: WriterPorts): Promise<LogWriter> {
  const { disk } = ports;
  const dirs = auditDirs(options.dir);
  try {
    const above = await existingAncestor(disk, dirname(options.dir));
    for (const path of [dirs.log, dirs.rotations, dirs.journal, dirs.blobs, dirs.keys]) await makeDurableDir(disk, above, path);
    const vkey = await knownKey(disk, dirs, signers);
    const recovered = await recover(disk, dirs, vkey);
    const publisher = new Publisher({ disk, log: dirs.log, signers, frontier: recovered.frontier, checkpoint: recovered.checkpoint });
    const packs = new Packs(disk, dirs.blobs);
    await packs.open();
    const segments = await Segments.open(disk, dirs.journal, options.segmentBytes, recovered.journal);
    const { recipients } = options;
    const keys = await prepareKeys(disk, dirs, { ...signers, recipients }, { vkey, size: recovered.frontier.size });
    const writer = new LogWriter({ options, ...ports, dirs, publisher, packs, segments, recovered });
    await writer.start(keys.entries);
    await keys.commit();
    return writer;
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the directory of the audit log cannot be used', { cause });
  }
}
