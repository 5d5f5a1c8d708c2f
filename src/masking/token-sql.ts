// The method `token` as SQL that the target runs: making a token of a value, and the value of a token. token.ts has the
// same construction for the gateway, and why it is sound; a property test compares the two.

import { digest, guarded, streamKey, TOKEN_KEY_SETTING, TOKEN_STREAM_KEY_SETTING, utf8 } from './keyed.ts';
import { asText, fn, type Subject } from './subject.ts';
import { quoteLiteral } from './sql-types.ts';
import { FIRST_BODY_BYTES, MAX_TOKEN_VALUE_BYTES, STREAM_BYTES, TAG_BYTES, tokenPattern, tokenPrefix } from './token.ts';

const hexOf = (bytes: string): string => fn('encode', bytes, `'hex'`);
const bitsOf = (hex: string): string => `${fn('textcat', `'x'`, hex)}::bit varying`;
/** What `varbit_send` writes before the bits. */
const BIT_COUNT_BYTES = 4;

/** XOR of two equally long texts of hexadecimal digits, as bytes. */
const xored = (left: string, right: string): string =>
  fn('substr', fn('varbit_send', fn('bitxor', bitsOf(left), bitsOf(right))), String(BIT_COUNT_BYTES + 1));

const streamOf = (tag: string): string => fn('sha512', fn('byteacat', streamKey, tag));

/** Stand-in of a value. */
export function tokenized(subject: Subject): string | null {
  const { family, cast, unboundedCast, isShort } = subject.type;
  const label = `token:${subject.className}`;
  const bytes = utf8(asText(subject));
  const mac = digest(label, bytes);
  if (family === 'uuid' && cast !== null) return `${guarded(markedUuid(mac), TOKEN_KEY_SETTING)}::${cast}`;
  if (family !== 'text' || unboundedCast === null || isShort === true) return null;
  const tag = fn('substr', mac, '1', String(TAG_BYTES));
  const padded = fn('rpad', hexOf(bytes), String(2 * STREAM_BYTES), `'0'`);
  const body = fn('left', hexOf(xored(padded, hexOf(streamOf(tag)))), bodyDigits(fn('octet_length', bytes)));
  const prefix = quoteLiteral(tokenPrefix(subject.className, subject.keyId));
  const token = fn('textcat', prefix, fn('textcat', hexOf(tag), body));
  return `${guarded(token, TOKEN_KEY_SETTING, TOKEN_STREAM_KEY_SETTING)}::${unboundedCast}`;
}

/** Of the first length, of the second, or of the whole stream. */
function bodyDigits(length: string): string {
  const step = MAX_TOKEN_VALUE_BYTES - FIRST_BODY_BYTES;
  const beyondFirst = fn('int4pl', fn('int4larger', length, String(FIRST_BODY_BYTES)), String(step - 1 - FIRST_BODY_BYTES));
  const digits = fn('int4pl', String(2 * FIRST_BODY_BYTES), fn('int4mul', String(2 * step), fn('int4div', beyondFirst, String(step))));
  return fn('int4smaller', digits, String(2 * STREAM_BYTES));
}

/** The first 128 bits with the version (8) and variant of a UUID whose content is the maker's own affair (RFC 9562). */
function markedUuid(mac: string): string {
  const versioned = fn('overlay', fn('left', hexOf(mac), '32'), `'8'`, '13', '1');
  return fn('overlay', versioned, `'8'`, '17', '1');
}

/** Value of a token as text; NULL for every other text, tokens of long values among them. It does not ask whether the token
 *  is genuine: only tokens that the gateway has checked may get here.
 *  @param token expression of type text, evaluated several times: a constant or a parameter */
export function openedToken(token: string, className: string, keyId: string): string {
  const prefixLength = tokenPrefix(className, keyId).length;
  const tag = fn('decode', fn('substr', token, String(prefixLength + 1), String(2 * TAG_BYTES)), `'hex'`);
  const body = fn('substr', token, String(prefixLength + 2 * TAG_BYTES + 1));
  const stream = fn('left', hexOf(streamOf(tag)), fn('length', body));
  const bytes = fn('btrim', xored(body, stream), fn('decode', `'00'`, `'hex'`));
  // WHY in and out: the name of the encoding brings its collation into the comparison, and the column's index is of another.
  const text = fn('textin', fn('textout', fn('convert_from', bytes, `'UTF8'`)));
  const isToken = fn('textregexeq', token, quoteLiteral(tokenPattern(className, keyId)));
  return `CASE WHEN ${isToken} THEN ${text} END`;
}
