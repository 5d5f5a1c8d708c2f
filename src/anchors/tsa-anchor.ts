// Stamps of a time-stamping authority (RFC 3161) over the SHA-256 of a checkpoint: the log existed as it is at that time. It remembers
// nothing, so it cannot tell a rollback; it is for the auditor, who compares the stamps with each other and with the log.

import type { Random } from '../core/ports.ts';
import { sha256 } from '../audit/tlog/index.ts';
import type { Anchor, Send } from './anchor.ts';
import type { ProofStore } from './proofs.ts';
import { stampFault, stampRequest } from './timestamp.ts';

export interface TsaSettings {
  readonly name: string;
  readonly everyMs: number;
}

export function createTsaAnchor({ name, everyMs }: TsaSettings, send: Send, proofs: ProofStore, random: Random): Anchor {
  return {
    name,
    kind: 'tsa',
    everyMs,
    async submit({ note, size }, signal) {
      const digest = sha256(Buffer.from(note));
      const nonce = random.bytes(8);
      const headers = { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' };
      const answer = await send('', { headers, body: stampRequest(digest, nonce) }, signal);
      if (answer.fault !== null) return { kind: 'failed', fault: answer.fault };
      if (answer.status !== 200) return { kind: 'failed', fault: `status-${answer.status}` };
      const fault = stampFault(answer.bytes, digest, nonce);
      if (fault !== null) return { kind: 'failed', fault };
      try {
        // What was stamped first: a stamp without it proves nothing.
        await proofs.put(`tsa-${name}-${size}.checkpoint`, note);
        await proofs.put(`tsa-${name}-${size}.tsr`, answer.bytes);
      } catch (error) {
        return { kind: 'failed', fault: error instanceof Error && 'code' in error ? String(error.code) : 'unwritable' };
      }
      return { kind: 'kept' };
    },
  };
}
