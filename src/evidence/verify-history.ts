// One history: what auditors kept and what witnesses saw must be prefixes of the log of the bundle.

import type { NoteVerifier, TreeHead } from '../audit/tlog/index.ts';
import { cosignedBy, equalHashes, keptCheckpoint, openCosignature, parseWitnessKey } from '../audit/tlog/index.ts';
import { SallyportError } from '../core/error.ts';
import { ANCHORS, anchorOf } from './anchors.ts';
import type { BundleFiles } from './bundle-files.ts';
import { readFileOf } from './bundle-files.ts';
import type { TileTree } from './tiles.ts';
import { prefixRoot } from './tiles.ts';
import type { Problems } from './verdict.ts';
import { messageOf } from './verify-log.ts';

interface HistoryInput {
  readonly bundle: BundleFiles;
  readonly tree: TileTree;
  /** Of the bundle. */
  readonly head: TreeHead;
  readonly verifier: NoteVerifier;
  readonly problems: Problems;
  readonly checkpoints: readonly string[];
  readonly witnesses: readonly string[];
}

/** @throws SP_CONFIG_INVALID for a witness key that is none */
export async function checkHistory(
  input: HistoryInput,
): Promise<{ readonly proven: readonly string[]; readonly notProven: readonly string[] }> {
  const { bundle, verifier, problems, checkpoints } = input;
  const proven: string[] = [];
  const notProven: string[] = [];
  for (const note of checkpoints) {
    try {
      const known = keptCheckpoint(note, verifier);
      const by = known.isByKey ? '' : ', signed by another key than today,';
      if (await isPrefix(known, input, 'the checkpoint that you gave'))
        proven.push(`the checkpoint of ${known.size} entries that you gave${by} is a prefix of this log`);
    } catch (fault) {
      problems.add('checkpoint-invalid', `the checkpoint that you gave: ${messageOf(fault)}`);
    }
  }
  const witnesses = input.witnesses.map(witnessOf);
  let stamps = 0;
  let unchecked = 0;
  for (const file of bundle.files.keys()) {
    const anchor = file.startsWith(ANCHORS) ? anchorOf(file.slice(ANCHORS.length)) : null;
    if (anchor === null) continue;
    if (anchor.kind === 'tsa') {
      stamps += 1;
      continue;
    }
    try {
      const note = (await readFileOf(bundle, file, 64 * 1024)).toString('utf8');
      const seen = keptCheckpoint(note, verifier);
      if (seen.size !== anchor.size) problems.add('anchor-invalid', 'it is of another size than its name says', { file });
      const isOurs = await isPrefix(seen, input, 'what a witness saw', file);
      const times = witnesses
        .filter((witness) => cosignedBy(note, witness))
        .map((witness) => ({ name: witness.name, at: openCosignature(note, witness) * 1000 }));
      if (times.length === 0) unchecked += 1;
      for (const { name, at } of isOurs ? times : []) {
        proven.push(`witness ${name} saw the first ${seen.size} entries at ${new Date(at).toISOString()}`);
      }
    } catch (fault) {
      problems.add('anchor-invalid', messageOf(fault), { file });
    }
  }
  if (stamps > 0) notProven.push(`${stamps} RFC 3161 time stamps: check them with openssl ts (VERIFY.md)`);
  if (unchecked > 0) notProven.push(`${unchecked} witnessed checkpoints have no cosignature by a key that you gave (--witness)`);
  if (witnesses.length > 0 && !proven.some((text) => text.startsWith('witness '))) {
    problems.add('anchor-invalid', 'no checkpoint in the bundle was cosigned by a witness that you gave');
  }
  return { proven, notProven };
}

function witnessOf(vkey: string): NoteVerifier {
  try {
    return parseWitnessKey(vkey.trim());
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', 'a witness key is not of the form name+id+base64 with a cosignature/v1 key', { cause });
  }
}

async function isPrefix(known: TreeHead, { tree, head, problems }: HistoryInput, whose: string, file?: string): Promise<boolean> {
  const at = file === undefined ? {} : { file };
  if (known.size > head.size) {
    const what = `${whose} has ${known.size} entries, the bundle's log only ${head.size}: it was made before, or the log was put back to an older state`;
    problems.add('rolled-back', what, at);
    return false;
  }
  let root: Uint8Array;
  try {
    root = known.size === head.size ? head.root : await prefixRoot(known.size, head.size, tree.reader);
  } catch (fault) {
    const what = `${whose} (${known.size} entries) cannot be compared with this bundle, because its hash tiles do not reach there: ${messageOf(fault)}`;
    problems.add('not-comparable', what, at);
    return false;
  }
  if (equalHashes(root, known.root)) return true;
  problems.add('history-forked', `${whose} (${known.size} entries) is not a prefix of this log: two histories were signed`, at);
  return false;
}
