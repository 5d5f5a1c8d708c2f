// Whose data requests touched, as the gateway keeps it: keyed digests only, outside of the log (docs/subjects.md).

import type { SessionId, TargetName } from './ids.ts';

/** Bytes of a digest. */
export const DIGEST_BYTES = 16;

/** What one request tells about one subject. */
export interface SubjectDigests {
  readonly subject: string;
  /** Of keys that it asked for or wrote. */
  readonly asked: readonly Uint8Array[];
  /** Of keys in its rows. */
  readonly returned: readonly Uint8Array[];
  /** Nobody else's data can have been touched. */
  readonly isClosed: boolean;
}

export interface SubjectRecord {
  readonly session: SessionId;
  /** Of the request's intent, in its session. */
  readonly n: number;
  readonly atMs: number;
  readonly target: TargetName;
  readonly subjects: readonly SubjectDigests[];
}

/** Something on its way to the disk. */
export interface Settling {
  readonly isDone: boolean;
  /** Resolves when it is. @throws SP_AUDIT_UNWRITABLE */
  wait(): Promise<void>;
}

/** The index as the gate and its adapters use it. Records are durable in the order of the calls. */
export interface SubjectIndex {
  /** @param key of `canonicalKey` */
  digest(target: TargetName, subject: string, key: string): Uint8Array;
  /** Durable when done. @throws SP_AUDIT_UNWRITABLE once a record could not be written */
  append(record: SubjectRecord): Settling;
}
