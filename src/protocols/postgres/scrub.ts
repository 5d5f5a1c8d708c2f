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

/** A text that is not valid in an encoding. In databases that do not check their texts (SQL_ASCII) making a mask may find one,
 *  and the server quotes its bytes. */
const encodingStates: ReadonlySet<string> = new Set(['22021', '22P05']);
const quotedBytes = /0x[0-9a-f]{2}(?: 0x[0-9a-f]{2})*/gi;

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
    const shown = encodingStates.has(fields.get('C') ?? '') ? value.replaceAll(quotedBytes, '(bytes withheld)') : value;
    kept.push([field, field === 'M' && !mayShowText ? withheld : shown]);
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
