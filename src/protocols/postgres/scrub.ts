// Server messages on their way to the client: what a plan's message policy lets through. Positions always go, because
// they count in the rewritten text. SPEC: "Error and Notice Message Fields".

import type { MessagePolicy } from '../../sql/plan.ts';
import { fieldsMessage } from './messages.ts';

const rank = { pass: 0, trim: 1, 'code-only': 2 } as const satisfies Record<MessagePolicy, number>;

export function stricter(a: MessagePolicy, b: MessagePolicy): MessagePolicy {
  return rank[a] >= rank[b] ? a : b;
}

/** Fields that name or quote data, objects or internal statements. */
const dropped = {
  pass: 'Ppq',
  trim: 'PpqDHWstcdnR',
  'code-only': 'PpqDHWstcdnR',
} as const satisfies Record<MessagePolicy, string>;

const withheld = 'sallyport: the statement failed; the message is withheld because protected data is involved';

/** The statement itself could not be understood: the server points into its text, and no code of its own was running
 *  (which may raise any SQLSTATE, with any text). */
function isAboutStatement(fields: ReadonlyMap<string, string>): boolean {
  return (fields.get('C') ?? '').startsWith('42') && fields.has('P') && !fields.has('W') && !fields.has('q') && !fields.has('p');
}

/** The ErrorResponse to send instead. */
export function scrubError(fields: ReadonlyMap<string, string>, policy: MessagePolicy): Uint8Array {
  const kept: [string, string][] = [];
  const mayShowText = policy !== 'code-only' || isAboutStatement(fields);
  for (const [field, value] of fields) {
    if (dropped[policy].includes(field)) continue;
    kept.push([field, field === 'M' && !mayShowText ? withheld : value]);
  }
  return fieldsMessage('E', kept);
}

/** The NoticeResponse to send instead, or null when it is dropped. */
export function scrubNotice(fields: ReadonlyMap<string, string>, policy: MessagePolicy): Uint8Array | null {
  if (policy !== 'pass') return null;
  return fieldsMessage(
    'N',
    [...fields].filter(([field]) => !dropped.pass.includes(field)),
  );
}
