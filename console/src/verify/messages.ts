// What the page and its workers say to each other. Types only: the page has no code of the verifier.

import type { EvidenceVerdict } from '../../../src/evidence/verdict.ts';

export interface VerifyJob {
  readonly file: Blob;
  /** Public key of the log, from elsewhere. Null = the one in the bundle, which proves less. */
  readonly vkey: string | null;
  /** Signed notes that the person kept. */
  readonly checkpoints: readonly string[];
  readonly witnesses: readonly string[];
}

/** One line of controls/hipaa.csv. */
export interface ControlRow {
  readonly control: string;
  readonly title: string;
  readonly records: string;
  readonly count: string;
  readonly counted: string;
  readonly shows: string;
  readonly cannotShow: string;
}

export interface VerifyResult {
  readonly verdict: EvidenceVerdict;
  /** Null unless the evidence holds: what it says about itself otherwise is worth nothing. */
  readonly controls: readonly ControlRow[] | null;
}

export type VerifyAnswer =
  | { readonly kind: 'progress'; readonly step: 'files' | 'entries'; readonly done: number; readonly total: number }
  | { readonly kind: 'result'; readonly result: VerifyResult }
  /** It could not be done; says nothing about the evidence. */
  | { readonly kind: 'fault'; readonly message: string };

/** What the page asks about the log. */
export type LogJob =
  | { readonly kind: 'head'; readonly question: HeadQuestion }
  | { readonly kind: 'prove'; readonly question: ProofQuestion };

export interface HeadQuestion {
  /** Signed note. */
  readonly checkpoint: string;
  /** Public key of the log. */
  readonly vkey: string;
  /** A head that was checked before and must be a prefix of this one. */
  readonly before: Head | null;
}

/** A signed tree head whose signature was checked. */
export interface Head {
  readonly origin: string;
  /** Name and id of the key. */
  readonly key: string;
  /** Entries. */
  readonly size: number;
  /** Hex. */
  readonly root: string;
}

export interface ProofQuestion {
  readonly index: number;
  /** Signed note. */
  readonly checkpoint: string;
  readonly vkey: string;
}

/** One hash on the way from the entry to the root. Hashes are hex. */
export interface ProofStep {
  /** Entries [from, to) that the sibling stands for. */
  readonly from: number;
  readonly to: number;
  readonly side: 'left' | 'right';
  readonly sibling: string;
  /** Of the two together. */
  readonly parent: string;
}

/** An entry that is under a signed head. */
export interface Proof {
  readonly index: number;
  readonly head: Head;
  /** JSON as stored. */
  readonly entry: string;
  /** Hex. */
  readonly leaf: string;
  /** From the entry up; the last parent is the root. */
  readonly steps: readonly ProofStep[];
}

/** To the worker: a job, or a file of the log that it asked for (null = not there). */
export type ToLogWorker =
  | { readonly id: number; readonly job: LogJob }
  | { readonly id: number; readonly path: string; readonly bytes: Uint8Array | null };

/** From the worker: what it needs (a path below /log), or what it found. */
export type FromLogWorker =
  | { readonly id: number; readonly kind: 'read'; readonly path: string }
  | { readonly id: number; readonly kind: 'done'; readonly result: Head | Proof }
  | { readonly id: number; readonly kind: 'fault'; readonly message: string };
