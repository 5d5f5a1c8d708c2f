// One way to write the values of keys, so that equal values have equal texts whatever form they came in (docs/subjects.md, "Values").

import type { KeyFamily } from './facts.ts';

/** Longer ones are no keys. */
const MAX_CHARS = 1024;
const MAX_DIGITS = 400;
const NUMBER = /^\s*([+-]?)(\d{0,400})(?:\.(\d{0,400}))?(?:[eE]([+-]?\d{1,4}))?\s*$/;
const INTEGER = /^\s*[+-]?\d{1,400}\s*$/;

/** @returns what is hashed; null for a text that is no value of the family, or that nobody can tell the value of. */
export function canonicalKey(family: KeyFamily, text: string): string | null {
  if (text.length > MAX_CHARS) return null;
  switch (family) {
    case 'integer':
      return INTEGER.test(text) ? numberKey(text) : null;
    case 'number':
      return numberKey(text);
    case 'uuid': {
      const digits = text.trim().replaceAll(/[{}-]/g, '').toLowerCase();
      return /^[0-9a-f]{32}$/.test(digits) ? `u:${digits}` : null;
    }
    case 'padded':
      return `t:${text.replace(/ +$/, '')}`;
    case 'text':
      return `t:${text}`;
  }
}

/** Every way in which somebody who types a value may mean it. */
export function keysMeant(text: string): readonly string[] {
  const families: readonly KeyFamily[] = ['text', 'padded', 'number', 'uuid'];
  return [...new Set(families.flatMap((family) => canonicalKey(family, text) ?? []))];
}

/** `+017`, `17.0` and `1.7e1` are one number. */
function numberKey(text: string): string | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return null;
  const shift = Number(exponent);
  if (Math.abs(shift) > MAX_DIGITS) return null;
  const digits = `${whole}${fraction}`;
  const point = whole.length + shift;
  const padded = point <= 0 ? `${'0'.repeat(1 - point)}${digits}` : digits.padEnd(point, '0');
  const at = Math.max(1, point);
  const integer = padded.slice(0, at).replace(/^0+/, '') || '0';
  const rest = padded.slice(at).replace(/0+$/, '');
  const value = rest === '' ? integer : `${integer}.${rest}`;
  return `n:${sign === '-' && value !== '0' ? '-' : ''}${value}`;
}
