// Fetches a recording as ciphertext and opens it in this page, with the auditor's own identity. The identity never leaves the page.

import { unseal } from '../../../../src/audit/opening.ts';
import { SallyportError } from '../../../../src/core/error.ts';
import { Secret } from '../../../../src/core/secret.ts';
import { decodeRecording } from '../../../../src/wire/pg-recording.ts';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';
import { type Frame, framesOf } from './frames.ts';
import { parametersText } from './parameters.ts';

export interface Opening {
  readonly session: string;
  readonly purpose: string;
  /** Approved request for this session. */
  readonly unseal: string;
  readonly identity: Secret;
}

type Item = Answer<'POST /v1/sessions/{id}/recording'>['items'][number];

/** The line of an identity file as age-keygen writes it; null = there is none. */
export function identityIn(text: string): Secret | null {
  const line = text.split('\n').find((candidate) => candidate.trim().startsWith('AGE-SECRET-KEY-'));
  return line === undefined ? null : new Secret(line.trim());
}

/** @throws {Problem} of the API; what cannot be opened is a frame that says so */
export async function openRecording(opening: Opening, onProgress: (payloads: number) => void, signal: AbortSignal): Promise<Frame[]> {
  const frames: Frame[] = [];
  let opened = 0;
  for (let after: number | null = -1; after !== null;) {
    const { items, next }: Answer<'POST /v1/sessions/{id}/recording'> = await call('POST /v1/sessions/{id}/recording', {
      path: { id: opening.session },
      body: { purpose: opening.purpose, after, unseal: opening.unseal },
      signal,
    });
    for (const item of items) {
      frames.push(...(await openItem(item, opening.identity)));
      onProgress((opened += 1));
    }
    after = next;
  }
  return frames;
}

async function openItem(item: Item, identity: Secret): Promise<Frame[]> {
  const { seq, ts, sealed } = item;
  const atMs = Date.parse(ts);
  if (item.ciphertext === null || item.wrappedKey === null) {
    return [{ kind: 'gone', seq, atMs, what: `The ${sealed.kind} was destroyed when its time was over.` }];
  }
  try {
    const { bytes, truncated } = await unseal(
      Uint8Array.from(atob(item.ciphertext), (byte) => byte.charCodeAt(0)),
      item.wrappedKey,
      identity,
      sealed,
    );
    if (sealed.kind === 'result') return framesOf(decodeRecording(bytes), seq, atMs);
    if (sealed.kind === 'parameters') return [{ kind: 'parameters', seq, atMs, text: parametersText(bytes), isCut: truncated }];
    return [{ kind: sealed.kind, seq, atMs, text: new TextDecoder().decode(bytes), isCut: truncated }];
  } catch (fault) {
    if (!(fault instanceof SallyportError)) throw fault;
    return [{ kind: 'gone', seq, atMs, what: fault.message }];
  }
}
