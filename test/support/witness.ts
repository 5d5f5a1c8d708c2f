// A witness (c2sp.org/tlog-witness, add-checkpoint) for tests: it keeps its promise, remembers one checkpoint a log and refuses all that
// is not consistent with it. What it answers can be replaced.

import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openCheckpoint, parseVerifierKey, sha256, verifyConsistency } from '../../src/audit/tlog/index.ts';
import type { TreeHead } from '../../src/audit/tlog/index.ts';

export interface TestWitness {
  readonly url: string;
  readonly vkey: string;
  /** What it saw last. */
  head: TreeHead;
  /** Status codes of its answers. */
  readonly answers: number[];
  /** Instead of what it would answer; null = as it should. */
  answer: ((body: string) => { status: number; body: string } | null) | null;
  close(): Promise<void>;
}

const COSIGNATURE_V1 = 4;

/** A signer from a fresh key. */
export function witnessSigner(name: string) {
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), randomBytes(32)]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(COSIGNATURE_V1), publicKey]);
  const keyId = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).subarray(0, 4);
  return {
    vkey: `${name}+${keyId.toString('hex')}+${typed.toString('base64')}`,
    /** @returns the signature line. */
    cosign(text: string, seconds: number): string {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), key);
      return `\u2014 ${name} ${Buffer.concat([keyId, time, signature]).toString('base64')}\n`;
    },
  };
}

/** @param logKey the verifier key of the only log it knows; a function, when that is known later. */
export async function startWitness(logKey: () => string): Promise<TestWitness> {
  const signer = witnessSigner('witness.test/one');
  const judge = (body: string): { status: number; body: string } => {
    const split = body.indexOf('\n\n');
    const [oldLine = '', ...hashes] = body.slice(0, split).split('\n');
    const note = body.slice(split + 2);
    const old = Number(/^old (0|[1-9]\d*)$/.exec(oldLine)?.[1] ?? Number.NaN);
    if (split < 0 || Number.isNaN(old)) return { status: 400, body: '' };
    let head: TreeHead;
    try {
      const verifier = parseVerifierKey(logKey());
      if (!note.startsWith(`${verifier.name}\n`)) return { status: 404, body: '' };
      head = openCheckpoint(note, verifier);
    } catch {
      return { status: 403, body: '' };
    }
    if (old > head.size) return { status: 400, body: '' };
    if (old !== witness.head.size) return { status: 409, body: `${witness.head.size}\n` };
    if (old === head.size && Buffer.compare(head.root, witness.head.root) !== 0) return { status: 409, body: `${old}\n` };
    const proof = hashes.map((hash) => Buffer.from(hash, 'base64'));
    if (!verifyConsistency(old, head.size, witness.head.root, head.root, proof)) return { status: 422, body: '' };
    witness.head = head;
    return { status: 200, body: signer.cosign(note.slice(0, note.indexOf('\n\n') + 1), Math.floor(Date.now() / 1000)) };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const answer = request.url === '/add-checkpoint' ? (witness.answer?.(body) ?? judge(body)) : { status: 400, body: '' };
      witness.answers.push(answer.status);
      response.writeHead(answer.status, { 'content-type': answer.status === 409 ? 'text/x.tlog.size' : 'text/plain' }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const witness: TestWitness = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    vkey: signer.vkey,
    head: { size: 0, root: sha256(new Uint8Array()) },
    answers: [],
    answer: null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return witness;
}
