// ArcSight's Common Event Format, revision 25, of one entry. Pure.
// Escaping: in the header `\` and `|`; in values `\`, `=`, and line ends as `\n` and `\r`. Other control characters become spaces.
// SPEC: https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors-8.4/cef-implementation-standard/

import { type EventContext, type Leaf, nameOf, rowOf } from '../ocsf/index.ts';

/** OCSF severity -> CEF, 0 to 10. */
const SEVERITIES: Readonly<Record<number, number>> = { 1: 2, 2: 4, 3: 6, 4: 9 };

export interface CefOptions {
  /** The text of a statement is cut to this many characters. */
  readonly maxTextChars: number;
}

export function cefOf({ header, hash }: Leaf, context: EventContext, { maxTextChars }: CefOptions): string {
  const row = rowOf(header.type);
  const head = [
    'CEF:0',
    'Sallyport',
    'Sallyport',
    headerText(context.version),
    headerText(header.type),
    headerText(row.title),
    String(SEVERITIES[row.severity] ?? 5),
  ];
  const { result, statement, answer, principal, detail } = header;
  const code = result?.code ?? detail?.['fault'] ?? detail?.['code'];
  const isGood = result === undefined ? row.isFailure !== true : result.code === 'ok';
  const fields: readonly (readonly [string, string | number | undefined])[] = [
    ['rt', Date.parse(header.ts)],
    ['externalId', header.seq],
    ['dvchost', header.replica],
    ['deviceExternalId', context.origin],
    ['suser', principal === undefined ? undefined : nameOf(principal)],
    ['suid', principal?.subject],
    ['src', addressOf(detail?.['address'])],
    ['duser', header.onBehalfOf === undefined ? undefined : nameOf(header.onBehalfOf)],
    ['dhost', header.resource?.target],
    ['act', answer?.verdict ?? header.decision ?? header.action],
    ['outcome', isGood ? 'success' : 'failure'],
    ['reason', code === undefined ? header.reasons?.join(' ') : String(code)],
    ['cnt', result === undefined ? undefined : 1],
    ['cn1', result?.rows],
    ['cn1Label', result === undefined ? undefined : 'rows'],
    ['cn2', result?.bytes],
    ['cn2Label', result === undefined ? undefined : 'bytes'],
    ...custom(1, 'leafHash', hash),
    ...custom(2, 'session', header.session),
    ...custom(3, 'rules', header.rules?.join(' ')),
    ...custom(4, 'policySha256', header.policy?.sha256),
    ...custom(5, 'grantOrApproval', header.approval ?? header.grant),
    ...custom(6, 'answeredBy', answer === undefined ? undefined : nameOf(answer.by)),
    ['msg', statement?.normalised === undefined ? undefined : cut(statement.normalised, maxTextChars)],
  ];
  const extension = fields.flatMap(([key, value]) => (value === undefined || value === '' ? [] : [`${key}=${valueText(String(value))}`]));
  return `${head.join('|')}|${extension.join(' ')}`;
}

function custom(n: number, label: string, value: string | undefined): readonly (readonly [string, string | undefined])[] {
  return [
    [`cs${n}`, value],
    [`cs${n}Label`, value === undefined || value === '' ? undefined : label],
  ];
}

function addressOf(address: string | number | boolean | undefined): string | undefined {
  return typeof address === 'string' && /^[0-9a-fA-F:.]+$/.test(address) ? address.replace(/^::ffff:(?=\d)/, '') : undefined;
}

function cut(text: string, maxChars: number): string {
  // Not in the middle of a pair of surrogates.
  return text.length <= maxChars ? text : `${text.slice(0, maxChars).replace(/[\ud800-\udbff]$/, '')}...`;
}

function headerText(text: string): string {
  return withoutControls(text.replace(/[\r\n]+/g, ' ')).replace(/[\\|]/g, '\\$&');
}

function valueText(text: string): string {
  return withoutControls(text.replace(/[\\=]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r'));
}

function withoutControls(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
}
