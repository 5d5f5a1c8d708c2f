// manifest.intoto.jsonl: an in-toto Statement v1 over every file, in a DSSE envelope signed by the key of the log. One line.
// SPEC: github.com/in-toto/attestation (Statement v1), github.com/secure-systems-lab/dsse (v1.0.2).
// WHY the key of the log may sign this: the signed bytes begin with "DSSEv1 ", which no note of a log does (a name has no space).

import { verify } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import type { NoteSigner, NoteVerifier } from '../audit/tlog/index.ts';
import { parseVerifierKey } from '../audit/tlog/index.ts';
import type { Scope } from './derivation.ts';
import { DERIVATION } from './derivation.ts';
import { memberOf, objectOf, textOf } from './fields.ts';

export const MANIFEST = 'manifest.intoto.jsonl';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** WHY a UUID: it names the predicate without a domain, which somebody else could own one day. A new version of the predicate gets another. */
const PREDICATE_TYPE = 'urn:uuid:24150d21-cc71-4234-bee3-826e836c3ded';

export interface Manifest {
  readonly scope: Scope;
  /** Rules by which the derived files were made. */
  readonly derivation: number;
  /** Of the product that made it. */
  readonly version: string;
  /** Hashes of policies that the range names and whose text was not to be had. */
  readonly policiesMissing: readonly string[];
  /** Path -> SHA-256, hex: every file but this one and SHA256SUMS. */
  readonly files: ReadonlyMap<string, string>;
}

function encodePae(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
}

export function signManifest(manifest: Omit<Manifest, 'derivation'>, signer: NoteSigner): string {
  const { scope, version, policiesMissing, files } = manifest;
  const subject = [...files].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, sha256]) => ({ name, digest: { sha256 } }));
  const predicate = { derivation: DERIVATION, ...scope, policiesMissing, tool: { name: 'sallyport', version } };
  const payload = Buffer.from(JSON.stringify({ _type: STATEMENT_TYPE, subject, predicateType: PREDICATE_TYPE, predicate }));
  const { before, between, behind } = envelopeOf(parseVerifierKey(signer.vkey));
  return before + payload.toString('base64') + between + signer.signBytes(encodePae(payload)).toString('base64') + behind;
}

/** The envelope around payload and signature. WHY its exact text: the signature covers the payload only, and nothing else of the file may be
 *  changed by somebody who has no key. */
function envelopeOf({ name, keyId }: Pick<NoteVerifier, 'name' | 'keyId'>) {
  const keyid = JSON.stringify(`${name}+${keyId}`);
  return {
    before: '{"payload":"',
    between: `","payloadType":"${PAYLOAD_TYPE}","signatures":[{"keyid":${keyid},"sig":"`,
    behind: '"}]}\n',
  };
}

/** @throws SP_AUDIT_CORRUPT when it is not a manifest of this form, signed by this key. */
export function openManifest(text: string, verifier: NoteVerifier): Manifest {
  const { before, between, behind } = envelopeOf(verifier);
  const middle = text.indexOf(between);
  if (!text.startsWith(before) || !text.endsWith(behind)) throw refused('is no DSSE envelope of an in-toto statement');
  if (middle < 0) throw refused('is not signed by the key of the log');
  const payload = decodeBase64(text.slice(before.length, middle));
  const signature = decodeBase64(text.slice(middle + between.length, -behind.length));
  if (payload === null || signature === null || !verify(null, encodePae(payload), verifier.publicKey, signature))
    throw refused('is not signed by the key of the log');
  const statement = parse(payload.toString('utf8'));
  if (statement['_type'] !== STATEMENT_TYPE || statement['predicateType'] !== PREDICATE_TYPE)
    throw refused('states something else than a bundle');
  return { ...readPredicate(objectOf(statement['predicate']) ?? {}), files: readSubjects(statement['subject']) };
}

/** Null unless it is exactly what encoding gives. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function readSubjects(value: unknown): Map<string, string> {
  const files = new Map<string, string>();
  for (const subject of Array.isArray(value) ? (value as unknown[]) : []) {
    const [name, sha256] = [textOf(memberOf(subject, 'name')), textOf(memberOf(subject, 'digest', 'sha256'))];
    if (name === '' || !/^[0-9a-f]{64}$/.test(sha256) || files.has(name)) throw refused('names a file twice or without its hash');
    files.set(name, sha256);
  }
  return files;
}

function readPredicate(predicate: Readonly<Record<string, unknown>>): Omit<Manifest, 'files'> {
  const index = (name: string): number => {
    const value = predicate[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw refused(`has no ${name}`);
    return value;
  };
  const time = (name: string): string => {
    const text = textOf(predicate[name]);
    const ms = Date.parse(text);
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== text) throw refused(`has no time ${name}`);
    return text;
  };
  const principal = objectOf(predicate['principal']);
  const target = predicate['target'];
  const missing = predicate['policiesMissing'];
  const scope: Scope = {
    origin: textOf(predicate['origin']),
    from: time('from'),
    to: time('to'),
    first: index('first'),
    end: index('end'),
    size: index('size'),
    root: textOf(predicate['root']),
    principal: principal === null ? null : { issuer: textOf(principal['issuer']), subject: textOf(principal['subject']) },
    target: typeof target === 'string' ? target : null,
  };
  if (scope.first > scope.end || scope.end > scope.size || scope.from >= scope.to) throw refused('has a range that is none');
  return {
    scope,
    derivation: index('derivation'),
    version: textOf(memberOf(predicate['tool'], 'version')),
    policiesMissing: Array.isArray(missing) ? missing.map(textOf) : [],
  };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(text)) ?? {};
  } catch {
    throw refused('is not JSON');
  }
}

const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', `${MANIFEST} ${what}`);
