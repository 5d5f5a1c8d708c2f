// Templates: what many entries of one session share, checked and encoded once; and hand-written checks and encoding of what
// differs. A posted entry is held to the same rules as an appended one (entry.ts).
// REFUSES: a template with a counter or an intent of its own, variables that are not what `EntryVariables` says, headers over
// 65,535 bytes. Members of the variables that are not listed are never read.

import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryType } from '../core/event.ts';
import type { EntryVariables, TemplateDraft } from '../core/ports.ts';
import { encodeDraft, isCode, isName, SEALED_REF_BYTES } from './entry.ts';
import { MAX_ENTRY_BYTES } from './tlog/index.ts';

/** More than the frame of a header and its variable numbers take. */
const FRAME_BYTES = 384;
const MAX_PARAMETERS = 65_535;
/** More than `{"type":"","bytes":-9007199254740991},` takes. */
const PARAMETER_BYTES = 40;
/** JSON of one character: `\uXXXX`. */
const MAX_CHARACTER_BYTES = 6;

/** The constant part of headers as JSON text; crosses to the writer of the log as it is. */
export interface TemplateParts {
  readonly type: EntryType;
  readonly session: string;
  /** Constant members; ends inside of `statement`, else of `result`, when there is one. */
  readonly head: string;
  /** The beginning of `result` when `head` ends inside of `statement`, else empty. */
  readonly middle: string;
  readonly hasStatement: boolean;
  readonly hasResult: boolean;
  /** Length of `head` and `middle` in bytes. */
  readonly bytes: number;
}

const invalid = (what: string): SallyportError => new SallyportError('SP_AUDIT_ENTRY_INVALID', `audit entry refused: ${what}`);

function tooLarge(bytes: number): SallyportError {
  return new SallyportError('SP_AUDIT_ENTRY_TOO_LARGE', `audit entry of about ${bytes} bytes; the limit is ${MAX_ENTRY_BYTES}`);
}

/** `,"name":{` and the constant members, up to where the variable ones begin. */
function opening(name: string, constant: object): string {
  const members = JSON.stringify(constant).slice(1, -1);
  return `,"${name}":{${members === '' ? '' : `${members},`}`;
}

/** @param payloads how many payloads belong to every entry.
 *  @throws SP_AUDIT_ENTRY_INVALID naming the faulty field (never its value), SP_AUDIT_ENTRY_TOO_LARGE */
export function encodeTemplate(draft: TemplateDraft, payloads: number): TemplateParts {
  const { statement, result, ...rest }: Omit<EntryDraft, 'statement' | 'result'> & Pick<TemplateDraft, 'statement' | 'result'> = draft;
  if (rest.n !== undefined || rest.intent !== undefined) throw invalid('n and intent come with the entry, not with its template');
  // Taken once: what is checked is what is written.
  const constant = structuredClone({
    ...(statement === undefined ? {} : { statement }),
    ...(result === undefined ? {} : { result }),
  });
  const whole: EntryDraft = {
    ...rest,
    ...(constant.statement === undefined ? {} : { statement: { bytes: 0, parameters: [], ...constant.statement } }),
    ...(constant.result === undefined ? {} : { result: { rows: 0, bytes: 0, code: 'ok', ms: 0, ...constant.result } }),
  };
  if (constant.statement !== undefined && ('bytes' in constant.statement || 'parameters' in constant.statement))
    throw invalid('statement.bytes and statement.parameters come with the entry, not with its template');
  if (constant.result !== undefined && ['rows', 'bytes', 'code', 'ms'].some((name) => name in (constant.result ?? {})))
    throw invalid('result holds only columns in a template');
  encodeDraft(whole, payloads);
  const { type, session, members } = encodeDraft(rest, payloads);
  if (session === null) throw invalid('a template names its session');
  const ofStatement = constant.statement === undefined ? '' : opening('statement', constant.statement);
  const ofResult = constant.result === undefined ? '' : opening('result', constant.result);
  const head = members + (ofStatement === '' ? ofResult : ofStatement);
  const middle = ofStatement === '' ? '' : ofResult;
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(middle);
  const least = bytes + FRAME_BYTES + payloads * SEALED_REF_BYTES;
  if (least > MAX_ENTRY_BYTES) throw tooLarge(least);
  return { type, session, head, middle, hasStatement: ofStatement !== '', hasResult: ofResult !== '', bytes };
}

/** Names that passed before; there are few. */
const knownNames = new Set<string>();
const MAX_KNOWN_NAMES = 4096;

function isTypeName(text: unknown): text is string {
  if (typeof text !== 'string') return false;
  if (knownNames.has(text)) return true;
  if (!isName(text)) return false;
  if (knownNames.size >= MAX_KNOWN_NAMES) knownNames.clear();
  knownNames.add(text);
  return true;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Checks everything but `intent`, which only the log can.
 *  @param payloads how many sealed payloads the header will name in all.
 *  @throws SP_AUDIT_ENTRY_INVALID naming the faulty field (never its value), SP_AUDIT_ENTRY_TOO_LARGE */
export function checkVariables(parts: TemplateParts, variables: EntryVariables, payloads: number): void {
  const { n, statement, result } = variables;
  if (!isCount(n)) throw invalid('n');
  if ((statement !== undefined) !== parts.hasStatement) throw invalid('statement comes with the entry exactly if its template has one');
  if ((result !== undefined) !== parts.hasResult) throw invalid('result comes with the entry exactly if its template has one');
  let bytes = parts.bytes + FRAME_BYTES + payloads * SEALED_REF_BYTES;
  if (statement !== undefined) {
    if (!isCount(statement.bytes)) throw invalid('statement.bytes');
    if (!Array.isArray(statement.parameters) || statement.parameters.length > MAX_PARAMETERS) throw invalid('statement.parameters');
    for (const parameter of statement.parameters) {
      if (!isTypeName(parameter.type)) throw invalid('statement.parameters.type');
      if (!Number.isSafeInteger(parameter.bytes) || parameter.bytes < -1) throw invalid('statement.parameters.bytes');
      bytes += PARAMETER_BYTES + MAX_CHARACTER_BYTES * parameter.type.length;
    }
  }
  if (result !== undefined) {
    if (!isCount(result.rows)) throw invalid('result.rows');
    if (!isCount(result.bytes)) throw invalid('result.bytes');
    if (typeof result.code !== 'string' || !isCode(result.code)) throw invalid('result.code');
    if (typeof result.ms !== 'number' || !(result.ms >= 0 && result.ms < Infinity)) throw invalid('result.ms');
    bytes += 2 * result.code.length;
  }
  if (bytes > MAX_ENTRY_BYTES) throw tooLarge(bytes);
}

/** What follows `head`: the variable members as JSON. `intent` and `sealed` may follow.
 *  @param variables checked. */
export function encodeVariables(parts: TemplateParts, variables: EntryVariables): string {
  const { n, statement, result } = variables;
  let text = '';
  if (statement !== undefined) {
    text = `"bytes":${statement.bytes},"parameters":[`;
    let separator = '';
    for (const { type, bytes } of statement.parameters) {
      text += `${separator}{"type":${JSON.stringify(type)},"bytes":${bytes}}`;
      separator = ',';
    }
    text += `]}${parts.middle}`;
  }
  if (result !== undefined) {
    text += `"rows":${result.rows},"bytes":${result.bytes},"code":${JSON.stringify(result.code)},"ms":${result.ms}}`;
  }
  return `${text},"n":${n}`;
}
