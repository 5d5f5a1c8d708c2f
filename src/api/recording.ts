// Sealed payloads on their way out, as ciphertext: this process cannot open them. INVARIANT: `payload.unsealed` is durable before the
// first byte leaves, and says who asked, who approved, for which purpose and which payloads.

import { z } from 'zod';
import type { EntryHeader, Payload } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import type { AuditReader } from '../core/ports.ts';
import type { UnsealRequest } from '../core/unseal.ts';
import type { ApiDeps } from './ports.ts';
import type { Viewer } from './viewer.ts';

const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** All of them are named in one header. */
const MAX_PAGE_ITEMS = 500;

export const recordingItemSchema = z.object({
  seq: z.int(),
  ts: z.string(),
  type: z.string(),
  intent: z.int().nullable(),
  sealed: z
    .object({
      kind: z.enum(['statement', 'parameters', 'messages', 'result', 'justification']),
      sha256: z.string().describe('Of the ciphertext'),
      bytes: z.int().describe('Length of the ciphertext'),
      commitment: z.string().describe('To the plaintext'),
      key: z.string().describe('Names the data key'),
    })
    .describe('The payload as the log entry names it'),
  ciphertext: z.string().nullable().describe('Base64; null when the blob or its key was destroyed'),
  wrappedKey: z.string().nullable(),
});

type RecordingItem = z.infer<typeof recordingItemSchema>;

export interface RecordingPage {
  readonly items: readonly RecordingItem[];
  /** The entry to go on after; null = this was the last page. */
  readonly next: number | null;
}

export function actorOf(viewer: Viewer): ActorRef {
  const { issuer, subject, kind } = viewer.principal;
  return { issuer, subject, kind };
}

/** Sealed payloads of whole entries, in order, until a page is full. `next` is the entry to go on after.
 *  @param session entries of others are left out: the index says where to look, the log what it is. Null = any */
export async function recordingPage(
  reader: AuditReader,
  indexes: readonly number[],
  session: string | null,
  signal: AbortSignal,
): Promise<RecordingPage> {
  const items: RecordingItem[] = [];
  let bytes = 0;
  for await (const entry of entriesAt(reader, indexes, signal)) {
    if (session !== null && entry.session !== session) continue;
    for (const ref of entry.sealed ?? []) {
      const blob = await reader.sealed(ref);
      bytes += blob?.ciphertext.length ?? 0;
      items.push({
        seq: entry.seq,
        ts: entry.ts,
        type: entry.type,
        intent: entry.intent ?? null,
        sealed: ref,
        ciphertext: blob === null ? null : Buffer.from(blob.ciphertext).toString('base64'),
        wrappedKey: blob === null ? null : blob.wrappedKey,
      });
    }
    if ((bytes >= MAX_PAGE_BYTES || items.length >= MAX_PAGE_ITEMS) && entry.seq !== indexes.at(-1)) return { items, next: entry.seq };
  }
  return { items, next: null };
}

/** Entries at ascending log indexes, read in runs of neighbours. */
export async function* entriesAt(reader: AuditReader, indexes: readonly number[], signal: AbortSignal): AsyncGenerator<EntryHeader> {
  for (let start = 0; start < indexes.length;) {
    const first = indexes[start] ?? 0;
    let end = start + 1;
    while (indexes[end] === first + (end - start)) end += 1;
    yield* reader.entries(first, first + (end - start), signal);
    start = end;
  }
}

/** Writes down that the page is given out. Nothing may leave before it resolves. */
export async function recordUnsealed(
  log: ApiDeps['audit']['log'],
  viewer: Viewer,
  page: RecordingPage,
  about: {
    readonly session?: string;
    readonly target: string;
    readonly access: 'recording' | 'unseal';
    readonly unseal: UnsealRequest | null;
  },
  payloads: readonly Payload[] = [],
): Promise<void> {
  const { session, target, access, unseal } = about;
  const { onBehalfOf } = viewer.principal;
  const approval = unseal?.answers.find(({ verdict }) => verdict === 'approve');
  const given = page.items.filter(({ ciphertext }) => ciphertext !== null);
  await log.append(
    {
      type: 'payload.unsealed',
      principal: actorOf(viewer),
      ...(onBehalfOf === null ? {} : { onBehalfOf: { issuer: onBehalfOf.issuer, subject: onBehalfOf.subject, kind: onBehalfOf.kind } }),
      ...(session === undefined ? {} : { session }),
      resource: { target, objects: given.map(({ seq, sealed }) => `entry/${seq}/${sealed.kind}`) },
      ...(approval === undefined ? {} : { answer: { by: approval.by, verdict: 'approve' as const } }),
      detail: {
        access,
        payloads: given.length,
        ...(unseal === null ? {} : { unseal: unseal.id, purpose: unseal.purpose, approvals: unseal.answers.length }),
      },
    },
    payloads,
  );
}
