// RFC 5424 messages with CEF in them, in frames of RFC 6587 (octet counting), which is what RFC 5425 asks for over TLS. Pure.

import { type EventContext, type Leaf, rowOf } from '../ocsf/index.ts';
import { cefOf } from './cef.ts';

/** "log audit". */
const FACILITY = 13;
/** OCSF severity -> informational, notice, warning, error. */
const SEVERITIES: Readonly<Record<number, number>> = { 1: 6, 2: 5, 3: 4, 4: 3 };
/** Of `meta sequenceId`: it starts again behind it. */
const MAX_SEQUENCE = 2_147_483_647;
/** Steps in which a text is cut until its message fits. */
const TEXT_CHARS = [8192, 4096, 2048, 1024, 512, 256, 0] as const;

/** One frame: the length of the message in octets, a space, the message.
 *  @param maxBytes of the message. Only the statement's text is cut for it. */
export function syslogFrame(leaf: Leaf, context: EventContext, maxBytes: number): Buffer {
  let message = Buffer.alloc(0);
  for (const maxTextChars of TEXT_CHARS) {
    message = Buffer.from(syslogMessage(leaf, context, maxTextChars));
    if (message.length <= maxBytes) break;
  }
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

function syslogMessage(leaf: Leaf, context: EventContext, maxTextChars: number): string {
  const { header } = leaf;
  const priority = FACILITY * 8 + (SEVERITIES[rowOf(header.type).severity] ?? 5);
  const sequence = (header.seq % MAX_SEQUENCE) + 1;
  const fields = [`<${priority}>1`, header.ts, token(header.replica, 255), 'sallyport', '-', token(header.type, 32)];
  return `${fields.join(' ')} [meta sequenceId="${sequence}"] ${cefOf(leaf, context, { maxTextChars })}`;
}

/** PRINTUSASCII without spaces. */
function token(text: string, most: number): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, most) || '-';
}
