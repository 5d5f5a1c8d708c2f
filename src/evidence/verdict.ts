// What a verifier found, as data and in words.

export const PROBLEM_CODES = [
  'bundle-refused',
  'key-foreign',
  'manifest-invalid',
  'manifest-differs',
  'version-unsupported',
  'sums-invalid',
  'file-missing',
  'file-added',
  'file-altered',
  'checkpoint-invalid',
  'tile-altered',
  'entries-missing',
  'entry-altered',
  'entry-malformed',
  'entry-out-of-order',
  'session-gap',
  'range-incomplete',
  'record-altered',
  'report-altered',
  'session-altered',
  'policy-altered',
  'policy-missing',
  'anchor-invalid',
  'rolled-back',
  'history-forked',
  'not-comparable',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

const ASK_AGAIN = 'Compare the SHA-256 of what you have with that of the sender, and ask for the bundle again; keep this one.';
const ASK_WHY = 'The holder of the key has to explain this: no fault of a transfer does it. Keep the bundle.';
const ASK_KEY = 'Ask for the public key of the log again, by another way than the bundle; if it is the same, ask for the bundle again.';
const ASK_WIDER = 'Ask for a bundle whose range begins before that checkpoint, or whose anchors reach it.';

/** What to do next. */
export const NEXT: Readonly<Record<ProblemCode, string>> = {
  'bundle-refused': ASK_AGAIN,
  'key-foreign': ASK_KEY,
  'manifest-invalid': ASK_KEY,
  'manifest-differs': ASK_AGAIN,
  'version-unsupported': 'Use the verifier of the version that made the bundle, for example the one of its release.',
  'sums-invalid': ASK_AGAIN,
  'file-missing': ASK_AGAIN,
  'file-added': ASK_AGAIN,
  'file-altered': ASK_AGAIN,
  'checkpoint-invalid': ASK_KEY,
  'tile-altered': ASK_AGAIN,
  'entries-missing': ASK_AGAIN,
  'entry-altered': ASK_AGAIN,
  'entry-malformed': ASK_WHY,
  'entry-out-of-order': ASK_WHY,
  'session-gap': ASK_WHY,
  'range-incomplete': ASK_WHY,
  'record-altered': ASK_AGAIN,
  'report-altered': ASK_AGAIN,
  'session-altered': ASK_AGAIN,
  'policy-altered': ASK_AGAIN,
  'policy-missing': ASK_AGAIN,
  'anchor-invalid': 'Ask the witness or the authority itself what it saw of this log.',
  'rolled-back': ASK_WHY,
  'history-forked': ASK_WHY,
  'not-comparable': ASK_WIDER,
};

export interface Problem {
  readonly code: ProblemCode;
  /** File of the bundle, or null. */
  readonly file: string | null;
  /** Log index it is about, or null. */
  readonly index: number | null;
  /** Holds no data of entries. */
  readonly what: string;
}

export interface EvidenceVerdict {
  readonly ok: boolean;
  readonly origin: string | null;
  /** `bundle`: no key was given, so the bundle was only found to agree with itself. */
  readonly keySource: 'given' | 'bundle';
  readonly key: string | null;
  readonly range: { readonly from: string; readonly to: string; readonly first: number; readonly end: number } | null;
  readonly checkpoint: { readonly size: number; readonly root: string } | null;
  readonly checked: { readonly files: number; readonly entries: number; readonly policies: number };
  /** The first 100. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly proven: readonly string[];
  readonly notProven: readonly string[];
}

export interface VerdictLine {
  readonly tone: 'plain' | 'good' | 'bad' | 'warn';
  readonly text: string;
}

/** For people. Texts come from a bundle: print them as data. */
export function describeVerdict(verdict: EvidenceVerdict): VerdictLine[] {
  const { range, checkpoint, checked, problems, problemCount } = verdict;
  const lines: VerdictLine[] = [
    { tone: 'plain', text: `log         ${verdict.origin ?? '-'}` },
    {
      tone: 'plain',
      text: `range       ${range === null ? '-' : `${range.from} to ${range.to}, entries ${range.first} to ${range.end} (exclusive)`}`,
    },
    { tone: 'plain', text: `checkpoint  ${checkpoint === null ? '-' : `${checkpoint.size} entries, root ${checkpoint.root}`}` },
    { tone: 'plain', text: `checked     ${checked.files} files, ${checked.entries} entries, ${checked.policies} policies` },
  ];
  if (verdict.keySource === 'bundle') {
    lines.push({
      tone: 'warn',
      text: 'WARNING: no key was given. The key came from the bundle itself, so anybody could have made all of it. Give the one you trust with --key.',
    });
  }
  for (const { code, file, index, what } of problems) {
    const where = [file, index === null ? null : `entry ${index}`].filter((part) => part !== null).join(', ');
    lines.push({ tone: 'bad', text: `${code}  ${where === '' ? '' : `${where}: `}${what}` });
  }
  if (problemCount > problems.length) lines.push({ tone: 'bad', text: `and ${problemCount - problems.length} more` });
  for (const text of new Set(problems.map(({ code }) => NEXT[code]))) lines.push({ tone: 'plain', text: `next        ${text}` });
  for (const text of verdict.proven) lines.push({ tone: 'good', text: `proven      ${text}` });
  for (const text of verdict.notProven) lines.push({ tone: 'plain', text: `not proven  ${text}` });
  lines.push(
    verdict.ok
      ? { tone: 'good', text: verdict.keySource === 'given' ? 'the evidence holds' : 'the evidence agrees with itself' }
      : { tone: 'bad', text: 'the evidence does NOT hold' },
  );
  return lines;
}

/** Kept in full; the rest is counted. */
const MAX_PROBLEMS = 100;

export class Problems {
  readonly list: Problem[] = [];
  count = 0;

  static joined(parts: readonly Problems[]): Problems {
    const all = new Problems();
    for (const { list, count } of parts) {
      all.count += count;
      all.list.push(...list.slice(0, MAX_PROBLEMS - all.list.length));
    }
    return all;
  }

  add(code: ProblemCode, what: string, at: { readonly file?: string; readonly index?: number } = {}): void {
    this.count += 1;
    if (this.list.length < MAX_PROBLEMS) this.list.push({ code, file: at.file ?? null, index: at.index ?? null, what });
  }
}
