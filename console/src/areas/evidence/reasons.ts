// What each kind of problem means, in a sentence. The verifier says where and what exactly.

import type { Problem, ProblemCode } from '../../../../src/evidence/verdict.ts';

export const REASONS: Readonly<Record<ProblemCode, string>> = {
  'bundle-refused': 'This is not an evidence bundle, or not one that may be opened.',
  'key-foreign': 'The bundle was not made with the key that you trust.',
  'manifest-invalid': 'The signed list of files is damaged or was not signed by the key of the log.',
  'manifest-differs': 'A file is not the one on the signed list.',
  'version-unsupported': 'The bundle was made by other rules than this verifier knows.',
  'sums-invalid': 'The list of checksums is damaged.',
  'file-missing': 'A file is missing.',
  'file-added': 'A file was added that nothing accounts for.',
  'file-altered': 'A file was changed after the bundle was made.',
  'checkpoint-invalid': 'The signed state of the log does not fit, or its signature is wrong.',
  'tile-altered': 'The hashes of the log do not lead to its signed root.',
  'entries-missing': 'Entries of the log are missing.',
  'entry-altered': 'An entry of the log was changed.',
  'entry-malformed': 'An entry of the log cannot be read.',
  'entry-out-of-order': 'An entry of the log stands in another place than it was written.',
  'session-gap': 'An entry of a session is missing.',
  'range-incomplete': 'Entries of the time range were left out.',
  'record-altered': 'A table does not say what the log says.',
  'report-altered': 'The report does not say what the log says.',
  'session-altered': 'A session does not say what the log says.',
  'policy-altered': 'A policy text is not the one that decided.',
  'policy-missing': 'A policy text that decided is missing.',
  'anchor-invalid': 'What a witness or an anchor kept does not fit.',
  'rolled-back': 'The log is older than what you or a witness saw of it.',
  'history-forked': 'Two different histories were signed.',
  'not-comparable': 'What you or a witness saw cannot be compared with this bundle.',
};

/** In the order in which the first of each kind was found. */
export function byCode(problems: readonly Problem[]): [ProblemCode, Problem[]][] {
  const kinds = new Map<ProblemCode, Problem[]>();
  for (const problem of problems) kinds.set(problem.code, [...(kinds.get(problem.code) ?? []), problem]);
  return [...kinds];
}
