// Client of a witness. SPEC: c2sp.org/tlog-witness, `add-checkpoint`. A witness remembers the newest checkpoint of a log and cosigns
// another only with a proof that it is consistent: it refuses forks and rollbacks, whoever holds the key of the log.
// REFUSES: an answer without a valid cosignature of the configured witness.

import { SallyportError } from '../core/error.ts';
import type { NoteVerifier } from '../audit/tlog/index.ts';
import { consistencyProof, openCosignature } from '../audit/tlog/index.ts';
import type { Anchor, AnchoredLog, Checkpoint, Outcome, Send } from './anchor.ts';
import type { ProofStore } from './proofs.ts';

export interface WitnessSettings {
  readonly name: string;
  /** Of the witness. */
  readonly key: NoteVerifier;
  readonly everyMs: number;
}

const SUFFIX = '.checkpoint';
/** Answers that no later attempt will change unless somebody changes the configuration on one of the two sides. */
const FAULTS: Readonly<Record<number, string>> = { 400: 'refused', 403: 'key-unknown', 404: 'origin-unknown' };

export function createWitnessAnchor({ name, key, everyMs }: WitnessSettings, log: AnchoredLog, send: Send, proofs: ProofStore): Anchor {
  const prefix = `witness-${name}-`;
  let known: number | null = null;

  const add = async (checkpoint: Checkpoint, old: number, signal: AbortSignal): Promise<Outcome | { kind: 'conflict'; size: number }> => {
    const proof = await consistencyProof(old, checkpoint.size, log.readTile);
    const hashes = proof.map((hash) => `${hash.toString('base64')}\n`).join('');
    const body = `old ${old}\n${hashes}\n${checkpoint.note}`;
    const answer = await send('/add-checkpoint', { headers: { 'content-type': 'text/plain; charset=utf-8' }, body }, signal);
    if (answer.fault !== null) return { kind: 'failed', fault: answer.fault };
    if (answer.status === 409) {
      const size = /^(0|[1-9]\d{0,14})\n?$/.exec(answer.body)?.[1];
      return size === undefined ? { kind: 'failed', fault: 'answer-malformed' } : { kind: 'conflict', size: Number(size) };
    }
    // Our proof is made of the tree that our checkpoint signs: what it does not fit to is another log.
    if (answer.status === 422) return { kind: 'different' };
    if (answer.status !== 200) return { kind: 'failed', fault: FAULTS[answer.status] ?? `status-${answer.status}` };
    const cosigned = checkpoint.note + answer.body;
    if (!isCosigned(cosigned, key)) return { kind: 'failed', fault: 'answer-not-cosigned' };
    await proofs.put(`${prefix}${checkpoint.size}${SUFFIX}`, cosigned);
    await proofs.thin(prefix, SUFFIX);
    known = checkpoint.size;
    return { kind: 'kept' };
  };

  return {
    name,
    kind: 'witness',
    everyMs,
    async submit(checkpoint, signal) {
      try {
        known ??= (await proofs.sizes(prefix, SUFFIX)).at(-1) ?? 0;
        if (known > checkpoint.size) return { kind: 'shorter', size: known };
        const first = await add(checkpoint, known, signal);
        if (first.kind !== 'conflict') return first;
        if (first.size > checkpoint.size) return { kind: 'shorter', size: first.size };
        // Our proofs were lost, or its answer did not come through: it says what it knows.
        const confirmed = known;
        const second = await add(checkpoint, first.size, signal);
        if (second.kind === 'kept' && first.size < confirmed) return { kind: 'kept', forgot: true };
        if (second.kind !== 'conflict') return second;
        // The same size with another root is a conflict, too.
        return second.size === first.size && first.size === checkpoint.size ? { kind: 'different' } : { kind: 'failed', fault: 'conflict' };
      } catch (error) {
        return { kind: 'failed', fault: error instanceof Error && 'code' in error ? String(error.code) : 'fault' };
      }
    },
  };
}

function isCosigned(note: string, key: NoteVerifier): boolean {
  try {
    openCosignature(note, key);
    return true;
  } catch (error) {
    if (error instanceof SallyportError) return false;
    throw error;
  }
}
