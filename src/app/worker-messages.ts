// What the main thread and its workers say to each other, and what a worker is started with. Secrets cross as text, because
// their class does not survive a clone, and are wrapped again on arrival.

import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { AuditConnection } from '../audit/index.ts';
import type { AccessSnapshot } from '../core/grant.ts';
import type { SessionId, Sha256Hex } from '../core/ids.ts';
import type { TargetStatus } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { TokenKeyState } from '../masking/index.ts';
import type { BoundColumnCalls } from './bound-columns.ts';
import type { DeskCalls } from './remote-desk.ts';
import type { TrafficSettings } from './traffic.ts';

export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

export interface CancelKey {
  readonly pid: number;
  readonly key: Uint8Array;
}

/** What workers ask of the main thread. */
export type MainCalls = DeskCalls &
  BoundColumnCalls & {
    /** Cancels a session of any other thread with exactly this key. */
    readonly cancel: { readonly argument: CancelKey; readonly value: boolean };
    /** Told: a failed log-in, to be counted on every thread. */
    readonly loginFailed: { readonly argument: string; readonly value: void };
    readonly log: { readonly argument: LogLine; readonly value: void };
  };

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** What the main thread asks of a worker. */
export type WorkerCalls = {
  /** Builds everything and reads the catalogues. Nothing else is answered before. */
  readonly start: { readonly argument: null; readonly value: void };
  readonly listen: { readonly argument: { readonly index: number; readonly port: number }; readonly value: void };
  readonly cancel: { readonly argument: CancelKey; readonly value: boolean };
  readonly loginFailed: { readonly argument: string; readonly value: void };
  /** Grants and locks as they are now; those whom they end have been told on return. */
  readonly access: { readonly argument: AccessSnapshot; readonly value: void };
  /** Loads a version, so that `usePolicy` cannot fail. @param source `Policy.source` */
  readonly preparePolicy: { readonly argument: { readonly source: string; readonly sha256: Sha256Hex }; readonly value: void };
  /** The prepared version is in force; sessions that it ends have been told on return. */
  readonly usePolicy: { readonly argument: Sha256Hex; readonly value: void };
  /** Whether this worker has it; it has been told to end on return. */
  readonly endSession: { readonly argument: SessionId; readonly value: boolean };
  readonly status: { readonly argument: null; readonly value: readonly TargetStatus[] };
  readonly metrics: { readonly argument: null; readonly value: MetricsSnapshot };
  /** No new sessions from now on. */
  readonly refuseSessions: { readonly argument: null; readonly value: void };
  /** Ends the sessions; an abort cuts them off. */
  readonly drain: { readonly argument: null; readonly value: void };
  /** After `drain`: all that was recorded is durable on return. */
  readonly close: { readonly argument: null; readonly value: void };
};

type PlainSettings = Omit<TrafficSettings, 'listenerTls' | 'tokenKeys' | 'claimKey' | 'subjects'> & {
  readonly listenerTls: readonly ({ readonly certificate: string; readonly key: string } | null)[];
  readonly tokenKeys: readonly { readonly id: string; readonly state: TokenKeyState; readonly secret: string }[];
  readonly claimKey: string;
  readonly subjects: (Omit<NonNullable<TrafficSettings['subjects']>, 'secret'> & { readonly secret: string }) | null;
};

export interface WorkerData {
  readonly role: 'traffic';
  /** From 1. */
  readonly thread: number;
  readonly settings: PlainSettings;
  /** Of the policy that the main thread has loaded from the same texts. */
  readonly policySha256: Sha256Hex;
  /** Its port is in the `transferList`. */
  readonly audit: AuditConnection;
  readonly slots: SharedArrayBuffer;
  /** See `bound-columns.ts`. */
  readonly boundVersion: SharedArrayBuffer;
}

export function isWorkerData(data: unknown): data is WorkerData {
  return typeof data === 'object' && data !== null && 'role' in data && data.role === 'traffic';
}

export function toPlain(settings: TrafficSettings): PlainSettings {
  return {
    ...settings,
    listenerTls: settings.listenerTls.map((tls) => tls && { certificate: tls.certificate, key: tls.key.reveal() }),
    tokenKeys: settings.tokenKeys.map((key) => ({ ...key, secret: key.secret.reveal() })),
    claimKey: settings.claimKey.reveal(),
    subjects: settings.subjects && { ...settings.subjects, secret: settings.subjects.secret.reveal() },
  };
}

export function fromPlain(settings: PlainSettings): TrafficSettings {
  return {
    ...settings,
    listenerTls: settings.listenerTls.map((tls) => tls && { certificate: tls.certificate, key: new Secret(tls.key) }),
    tokenKeys: settings.tokenKeys.map((key) => ({ ...key, secret: new Secret(key.secret) })),
    claimKey: new Secret(settings.claimKey),
    subjects: settings.subjects && { ...settings.subjects, secret: new Secret(settings.subjects.secret) },
  };
}
