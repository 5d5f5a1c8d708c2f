// Digests under the target's key. The key is never part of a statement: it is a setting of the upstream session, which
// clients can neither read nor change. A session without the setting fails, and one with a short key gets NULL: digests
// that anybody could compute are never shown.

import { fn, asText, type Subject } from './subject.ts';
import { quoteLiteral } from './sql-types.ts';

/** Holds 64 hexadecimal digits: the key of `hash`, `date-shift` and of the first half of a token. */
export const TOKEN_KEY_SETTING = 'sallyport.token_key';
/** The same for the second half of tokens. */
export const TOKEN_STREAM_KEY_SETTING = 'sallyport.token_stream_key';

const setting = (name: string): string => fn('current_setting', `'${name}'`);
const macKey = fn('decode', setting(TOKEN_KEY_SETTING), `'hex'`);
export const streamKey = fn('decode', setting(TOKEN_STREAM_KEY_SETTING), `'hex'`);

/** Keyed twice, inner and outer: SHA-256(key, SHA-256(key, label, message)). @param message expression of type bytea */
export function digest(label: string, message: string): string {
  const labelled = fn('byteacat', fn('convert_to', quoteLiteral(`${label}:`), `'UTF8'`), message);
  return fn('sha256', fn('byteacat', macKey, fn('sha256', fn('byteacat', macKey, labelled))));
}

export const utf8 = (text: string): string => fn('convert_to', text, `'UTF8'`);

/** NULL without keys of full length. */
export function guarded(value: string, ...settings: readonly string[]): string {
  const strong = settings.map((name) => fn('int4ge', fn('length', setting(name)), '64')).join(' AND ');
  return `(CASE WHEN ${strong} THEN ${value} END)`;
}

/** Equal for equal values of a class, different between classes. */
export function hashed(subject: Subject): string | null {
  const { family, cast, unboundedCast } = subject.type;
  if (cast === null || unboundedCast === null) return null;
  const label = `hash:${subject.className}`;
  if (family === 'bytea') return guarded(digest(label, subject.value), TOKEN_KEY_SETTING);
  const hex = fn('left', fn('encode', digest(label, utf8(asText(subject))), `'hex'`), '32');
  if (family === 'text') return `${guarded(hex, TOKEN_KEY_SETTING)}::${unboundedCast}`;
  return family === 'uuid' ? `${guarded(hex, TOKEN_KEY_SETTING)}::${cast}` : null;
}
