// The fonts that every PDF viewer has, with the widths that their characters have always had, and the one encoding used for them.
// SPEC: ISO 32000-1, 9.6.2.2 (standard 14 fonts), annex D.2 (WinAnsiEncoding); widths from Adobe's Core 14 font metrics.

import { escaped, visible } from '../words.ts';

export type FontName = 'Helvetica' | 'Helvetica-Bold' | 'Courier';
export const FONT_NAMES = ['Helvetica', 'Helvetica-Bold', 'Courier'] as const satisfies readonly FontName[];

const REGULAR = widths(
  '278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584',
  '556 0 222 556 333 1000 556 556 333 1000 667 333 1000 0 611 0 0 222 222 333 333 350 556 1000 333 1000 500 333 944 0 500 667',
  '278 333 556 556 556 556 260 556 333 737 370 556 584 333 737 333 400 584 333 333 333 556 537 278 333 333 365 556 834 834 834 611 667 667 667 667 667 667 1000 722 667 667 667 667 278 278 278 278 722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611 556 556 556 556 556 556 889 500 556 556 556 556 278 278 278 278 556 556 556 556 556 556 556 584 611 556 556 556 556 500 556 500',
);
const BOLD = widths(
  '278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584',
  '556 0 278 556 500 1000 556 556 333 1000 667 333 1000 0 611 0 0 278 278 500 500 350 556 1000 333 1000 556 333 944 0 500 667',
  '278 333 556 556 556 556 280 556 333 737 370 556 584 333 737 333 400 584 333 333 333 611 556 278 333 333 365 556 834 834 834 611 722 722 722 722 722 722 1000 722 667 667 667 667 278 278 278 278 722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611 556 556 556 556 556 556 889 556 556 556 556 556 278 278 278 278 611 611 611 611 611 611 611 584 611 611 611 611 611 556 611 556',
);
const WIDTHS: Readonly<Record<FontName, readonly number[] | null>> = { Helvetica: REGULAR, 'Helvetica-Bold': BOLD, Courier: null };
const COURIER_WIDTH = 600;

/** Characters that WinAnsi has from 0x80 to 0x9f; `\0` = none. */
const UPPER =
  '\u20ac\0\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\0\u017d\0\0\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\0\u017e\u0178';
const CODES = new Map([...UPPER].flatMap((mark, at): [string, number][] => (mark === '\0' ? [] : [[mark, 0x80 + at]])));

/** By character code. */
function widths(low: string, upper: string, latin: string): readonly number[] {
  const table: number[] = [];
  const put = (start: number, list: string): void => {
    for (const [at, width] of list.split(' ').entries()) table[start + at] = Number(width);
  };
  put(0x20, low);
  put(0x80, upper);
  put(0xa0, latin);
  return table;
}

function codeOf(mark: string): number | null {
  const point = mark.codePointAt(0) ?? 0;
  if ((point >= 0x20 && point < 0x7f) || (point >= 0xa0 && point <= 0xff)) return point;
  return CODES.get(mark) ?? null;
}

/** The same text in characters that the fonts have; others are written as their code points. */
export function printable(text: string): string {
  return Array.from(visible(text.replaceAll('\n', ' ')), (mark) => (codeOf(mark) === null ? escaped(mark) : mark)).join('');
}

/** In points. @param text printable */
export function widthOf(text: string, font: FontName, size: number): number {
  const table = WIDTHS[font];
  if (table === null) return (text.length * COURIER_WIDTH * size) / 1000;
  let sum = 0;
  for (const mark of text) sum += table[codeOf(mark) ?? 0] ?? 0;
  return (sum * size) / 1000;
}

/** A literal string of a content stream. @param text printable */
export function literal(text: string): string {
  const marks = Array.from(text, (mark) => {
    if (mark === '(' || mark === ')' || mark === '\\') return `\\${mark}`;
    const code = codeOf(mark) ?? 0x3f;
    return code < 0x7f ? String.fromCharCode(code) : `\\${code.toString(8)}`;
  });
  return `(${marks.join('')})`;
}
