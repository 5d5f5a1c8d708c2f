// What the command line is given by `app`: it does not import services.

import type { SealedRef } from '../core/event.ts';
import type { Secret } from '../core/secret.ts';
import type { CliIo } from './io.ts';

/** Opens one sealed payload (`unseal` of the audit service).
 *  @param identity an age identity, `AGE-SECRET-KEY-...`
 *  @param ref what the log entry says about it: hash, length, key and commitment must agree.
 *  @throws SP_AUDIT_CORRUPT with a message without data */
export type Unsealer = (
  ciphertext: Uint8Array,
  wrappedKey: string,
  identity: Secret,
  ref: SealedRef,
) => Promise<{ readonly bytes: Uint8Array; readonly truncated: boolean; readonly originalBytes: number }>;

/** Verdict about a log directory (`verifyLog` of the audit service). */
export interface LogVerdict {
  readonly ok: boolean;
  readonly origin: string | null;
  readonly size: number;
  /** Root hash of the checkpoint, base64. */
  readonly root: string | null;
  /** What does not hold, without data of entries; the first ones. */
  readonly problems: readonly { readonly code: string; readonly index: number | null; readonly what: string }[];
  readonly problemCount: number;
  readonly entries: { readonly checked: number; readonly firstTs: string | null; readonly lastTs: string | null };
  readonly payloads: { readonly named: number; readonly present: number };
  /** Entries before it were pruned; 0 = none. */
  readonly firstIndex: number;
}

/** Verifies a log directory offline: signature, tree, every entry, order and density. */
export type LogVerifier = (
  directory: string,
  options: {
    readonly vkey: string;
    readonly signal: AbortSignal;
    readonly onProgress: (checked: number, size: number) => void;
  },
) => Promise<LogVerdict>;

/** PEM texts. */
export interface StarterCertificates {
  readonly authority: { readonly certificate: string; readonly key: string };
  readonly server: { readonly certificate: string; readonly key: string };
}

export interface DemoOptions {
  /** null = a new temporary directory. */
  readonly directory: string | null;
  readonly postgresPort: number;
  readonly apiPort: number;
  /** Play, then stop. */
  readonly once: boolean;
}

/** Asked of the evidence service; times are RFC 3339, UTC. */
export interface EvidenceRequest {
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly principal: { readonly issuer: string; readonly subject: string } | null;
  readonly target: string | null;
}

/** Makes a bundle from the data directory of a configuration. @param output a folder, or an archive when it ends in `.zip` */
export type OfflineExport = (options: {
  readonly config: string;
  readonly output: string;
  readonly request: EvidenceRequest;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}) => Promise<{ readonly entries: number; readonly files: number; readonly policiesMissing: number }>;

export interface EvidenceTools {
  readonly exportOffline: OfflineExport;
  /** Saves what a gateway sends; unpacked unless `output` ends in `.zip`. */
  readonly save: (output: string, archive: AsyncIterable<Uint8Array>) => Promise<void>;
  /** @returns the verdict as JSON has it and as lines for people, whose texts come from the bundle */
  readonly verify: (
    path: string,
    options: {
      /** Null = the key in the bundle. */
      readonly vkey: string | null;
      readonly checkpoints: readonly string[];
      readonly witnesses: readonly string[];
      readonly onProgress: (step: 'files' | 'entries', done: number, total: number) => void;
      readonly signal: AbortSignal;
    },
  ) => Promise<{
    readonly ok: boolean;
    readonly verdict: object;
    readonly lines: readonly { readonly tone: 'plain' | 'good' | 'bad' | 'warn'; readonly text: string }[];
  }>;
}

export interface CliDeps {
  readonly io: CliIo;
  readonly version: string;
  /** Runs the gateway until it is told to stop; handles signals itself. */
  readonly serve: (options: { readonly config: string }) => Promise<void>;
  /** Runs the demo until it is told to stop; handles signals itself. @returns how many of its steps did not hold. */
  readonly demo: (options: DemoOptions) => Promise<number>;
  /** A fresh authority and a server certificate for `hosts` (names and addresses). */
  readonly certificates: (hosts: readonly string[]) => Promise<StarterCertificates>;
  readonly unseal: Unsealer;
  readonly verifyLog: LogVerifier;
  readonly evidence: EvidenceTools;
}
