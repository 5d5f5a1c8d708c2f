// Headers: the allow-list of fields and the exact bytes that become a leaf. See docs/formats/log.md.
// REFUSES: unknown fields, control characters, text where a code belongs, types only the log itself writes, and
// headers over 65,535 bytes. Nothing is cut to make it fit.

import { z } from 'zod';
import { SallyportError } from '../core/error.ts';
import { ENTRY_TYPES } from '../core/event.ts';
import type { EntryDraft, EntryHeader, EntryType, SealedRef } from '../core/event.ts';
import { MAX_ENTRY_BYTES } from './tlog/index.ts';

const count = z.int().nonnegative();
/** Names and codes: one token of printable ASCII. */
const CODE = /^[\x21-\x7e]{1,128}$/;
const code = z.string().regex(CODE);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Names from catalogues and configuration; any script, no control characters. */
// oxlint-disable-next-line no-control-regex -- refusing them is the point
const NAME = /^[^\u0000-\u001f\u007f-\u009f]{1,512}$/u;
const name = z.string().regex(NAME);
const names = z.array(name).max(1000);
const codes = z.array(code).max(1000);
/** Short printable ASCII: versions, addresses, setting names. */
const detailText = z.string().regex(/^[A-Za-z0-9 ._:/@+,=[\]()%*#-]{0,128}$/);

const actor = z.strictObject({ issuer: name, subject: name, kind: z.enum(['person', 'agent', 'service']) });
const parameter = z.strictObject({ type: name, bytes: z.int().min(-1) });

const digest = z.string().regex(/^[0-9a-f]{16}$/);
const cut = codes.optional();
const identity = z.strictObject({
  groups: names,
  claims: z.strictObject({ key: digest, values: z.record(name, z.array(digest).max(1000)) }),
  grants: z.array(z.strictObject({ id: code, role: name, effects: codes, relations: names.optional() })).max(100),
  cut,
});

const draftSchema = z.strictObject({
  type: z.enum(ENTRY_TYPES),
  principal: actor.optional(),
  onBehalfOf: actor.optional(),
  session: code.optional(),
  n: count.optional(),
  identity: identity.optional(),
  grant: code.optional(),
  approval: code.optional(),
  resource: z.strictObject({ target: code, objects: names.optional() }).optional(),
  action: code.optional(),
  decision: z.enum(['allow', 'hold', 'deny']).optional(),
  reasons: codes.optional(),
  rules: names.optional(),
  policy: z.strictObject({ sha256 }).optional(),
  statement: z
    .strictObject({
      normalised: z.string().max(MAX_ENTRY_BYTES).optional(),
      fingerprint: code.optional(),
      bytes: count,
      parameters: z.array(parameter).max(65_535),
    })
    .optional(),
  facts: z
    .strictObject({
      verbs: names,
      effects: codes,
      relations: z.array(z.strictObject({ name, access: code })).max(1000),
      classes: codes,
      outputClasses: codes,
      predicateClasses: codes,
      unbounded: z.boolean(),
      unknowns: z.array(z.strictObject({ code, what: name })).max(1000),
      statements: count.optional(),
      limit: z.number().nonnegative().optional(),
      columns: z
        .array(z.strictObject({ relation: name, shown: names.optional(), tested: names.optional(), read: names.optional() }))
        .max(1000)
        .optional(),
      open: names.optional(),
      estimatedRows: count.optional(),
      session: z.strictObject({ ageSeconds: count, statements: count }).optional(),
      subjects: codes.optional(),
      cut,
    })
    .optional(),
  result: z
    .strictObject({
      rows: count,
      bytes: count,
      columns: z
        .array(z.strictObject({ name: name.or(z.literal('')), classes: codes, mask: code, sources: names.optional() }))
        .max(2000)
        .optional(),
      code,
      ms: z.number().nonnegative(),
    })
    .optional(),
  intent: count.optional(),
  answer: z.strictObject({ by: actor, verdict: z.enum(['approve', 'deny']) }).optional(),
  keys: codes.optional(),
  detail: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/), z.union([detailText, z.number(), z.boolean()])).optional(),
});

const LOG_TYPES: ReadonlySet<EntryType> = new Set(['log.opened', 'log.closed', 'heartbeat', 'key.rotated']);
/** `v`, `seq` of 16 digits, `ts`, and the brackets. */
const FRAME_BYTES = 128;
/** More than any `SealedRef` takes as JSON. */
export const SEALED_REF_BYTES = 320;

export function isCode(text: string): boolean {
  return CODE.test(text);
}

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** A checked draft: its fields as JSON members, taken at the time of the call, so that a later change of the caller's
 *  object cannot reach the log. */
export interface EncodedDraft {
  readonly members: string;
  readonly type: EntryType;
  readonly session: string | null;
}

/** @param payloads how many sealed payloads the header will name.
 *  @throws SP_AUDIT_ENTRY_INVALID naming the faulty field (never its value), SP_AUDIT_ENTRY_TOO_LARGE */
export function encodeDraft(draft: EntryDraft, payloads: number, writer: 'caller' | 'log' = 'caller'): EncodedDraft {
  const parsed = draftSchema.safeParse(draft);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) =>
      issue.code === 'unrecognized_keys' ? `${issue.path.join('.')} has unknown fields` : `${issue.path.join('.')} ${issue.code}`,
    );
    throw new SallyportError('SP_AUDIT_ENTRY_INVALID', `audit entry refused: ${faults.slice(0, 5).join('; ')}`);
  }
  const { data } = parsed;
  if (writer === 'caller' && LOG_TYPES.has(data.type)) {
    throw new SallyportError('SP_AUDIT_ENTRY_INVALID', `audit entry refused: ${data.type} is written by the log itself`);
  }
  const members = JSON.stringify(data).slice(1, -1);
  const bytes = Buffer.byteLength(members) + FRAME_BYTES + payloads * SEALED_REF_BYTES;
  if (bytes > MAX_ENTRY_BYTES) {
    throw new SallyportError('SP_AUDIT_ENTRY_TOO_LARGE', `audit entry of about ${bytes} bytes; the limit is ${MAX_ENTRY_BYTES}`);
  }
  return { members, type: data.type, session: data.session ?? null };
}

export interface Stamp {
  readonly seq: number;
  readonly atMs: number;
  readonly replica: string;
}

/** The exact bytes of the leaf. */
export function encodeHeader(draft: EncodedDraft, stamp: Stamp, sealed: readonly SealedRef[]): Buffer {
  const ts = new Date(stamp.atMs).toISOString();
  const tail = sealed.length === 0 ? '' : `,"sealed":${JSON.stringify(sealed)}`;
  return Buffer.from(`{"v":1,"seq":${stamp.seq},"ts":"${ts}","replica":"${stamp.replica}",${draft.members}${tail}}`);
}

/** Reads stored bytes back. The log wrote them, so only their frame is checked.
 *  @throws SP_AUDIT_CORRUPT when they are no header with this index. */
export function decodeHeader(bytes: Buffer, seq: number): EntryHeader {
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${seq} is not JSON`, { cause });
  }
  if (!isHeader(header) || header.seq !== seq) throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${seq} is not a header with that index`);
  return header;
}

function isHeader(value: unknown): value is EntryHeader {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === 1 && 'type' in value && typeof value.type === 'string';
}

/** Replica names go into headers unescaped. */
export function isReplicaName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text);
}

/** A reference as JSON.
 *  @param first index of the entry it was sealed with, when that is an earlier one. */
export function encodeRef(ref: SealedRef, first?: number): string {
  const earlier = first === undefined ? '' : `,"first":${first}`;
  return `{"kind":"${ref.kind}","sha256":"${ref.sha256}","bytes":${ref.bytes},"commitment":"${ref.commitment}","key":"${ref.key}"${earlier}}`;
}

export function encodeRefs(refs: readonly SealedRef[]): string {
  let text = '';
  for (const ref of refs) text += text === '' ? encodeRef(ref) : `,${encodeRef(ref)}`;
  return text;
}
