// Whether a header, which may be anybody's, has the shape that the format says: what takes headers by their type may have it then.
// Members that the format does not have are let through; they are looked at by nobody.

import type { EntryHeader } from '../core/event.ts';
import type { Header } from './fields.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isScalar: Check = (value) => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value);

const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** @param optional may also be absent */
function shape(required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check {
  const needed = Object.entries(required);
  const allowed = Object.entries(optional);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const of = value as Header;
    return needed.every(([name, check]) => check(of[name])) && allowed.every(([name, check]) => of[name] === undefined || check(of[name]));
  };
}

const texts = listOf(isText);
const actor = shape({ issuer: isText, subject: isText, kind: oneOf('person', 'agent', 'service') });
const isScalars: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isScalar);

const isHeader = shape(
  { v: isNumber, seq: isNumber, ts: (value) => isText(value) && !Number.isNaN(Date.parse(String(value))), type: isText, replica: isText },
  {
    principal: actor,
    onBehalfOf: actor,
    session: isText,
    n: isNumber,
    grant: isText,
    approval: isText,
    resource: shape({ target: isText }, { objects: texts }),
    action: isText,
    decision: oneOf('allow', 'hold', 'deny'),
    reasons: texts,
    rules: texts,
    policy: shape({ sha256: isText }),
    statement: shape(
      { bytes: isNumber, parameters: listOf((value) => typeof value === 'object' && value !== null) },
      { normalised: isText, fingerprint: isText },
    ),
    facts: shape({
      verbs: texts,
      effects: texts,
      relations: listOf(shape({ name: isText, access: isText })),
      classes: texts,
      outputClasses: texts,
      predicateClasses: texts,
    }),
    result: shape(
      { rows: isNumber, bytes: isNumber, code: isText, ms: isNumber },
      { columns: listOf(shape({ name: isText, classes: texts, mask: isText })) },
    ),
    intent: isNumber,
    answer: shape({ by: actor, verdict: oneOf('approve', 'deny') }),
    sealed: listOf(shape({ sha256: isText, bytes: isNumber })),
    detail: isScalars,
  },
);

export function isEntryHeader(header: Header): header is Header & EntryHeader {
  return isHeader(header);
}
