// Text in lines of a width: words are kept whole where they fit, and everything is in characters that the fonts have.

import { spansOf, type Text } from '../report-model.ts';
import type { Colour, Page } from './document.ts';
import { type FontName, printable, widthOf } from './fonts.ts';

export const INK: Colour = [28, 39, 51];
export const SOFT: Colour = [86, 102, 122];

export interface Style {
  readonly font: FontName;
  readonly size: number;
  readonly colour: Colour;
}

export interface Run extends Style {
  readonly text: string;
  readonly width: number;
}
export type Line = readonly Run[];

export const BODY: Style = { font: 'Helvetica', size: 9.5, colour: INK };
export const SMALL: Style = { ...BODY, size: 8.5 };

function styleOf(style: ReturnType<typeof spansOf>[number]['style'], base: Style): Style {
  if (style === 'code') return { ...base, font: 'Courier', size: base.size * 0.92 };
  if (style === 'soft') return { ...base, colour: SOFT };
  return style === 'strong' ? { ...base, font: 'Helvetica-Bold' } : base;
}

/** Words with the space before them, where there is one. */
function wordsOf(text: Text, base: Style): Run[] {
  return spansOf(text).flatMap((span) => {
    const style = styleOf(span.style, base);
    return (printable(span.text).match(/ *[^ ]+| +$/g) ?? []).map((word) => ({
      ...style,
      text: word,
      width: widthOf(word, style.font, style.size),
    }));
  });
}

/** A word that no line can hold, in pieces; the first fits into `first`. */
function pieces(word: Run, first: number, rest: number): Run[] {
  const made: Run[] = [];
  let text = '';
  let width = 0;
  for (const mark of word.text) {
    const more = widthOf(mark, word.font, word.size);
    if (width + more > (made.length === 0 ? first : rest) && text !== '') {
      made.push({ ...word, text, width });
      [text, width] = ['', 0];
    }
    text += mark;
    width += more;
  }
  return [...made, { ...word, text, width }];
}

export function linesOf(text: Text, width: number, base: Style): Line[] {
  const lines: Run[][] = [[]];
  let used = 0;
  const put = (run: Run): void => {
    lines.at(-1)?.push(run);
    used += run.width;
  };
  const next = (run: Run): void => {
    const bare = run.text.trimStart();
    lines.push([]);
    used = 0;
    if (bare !== '') put({ ...run, text: bare, width: widthOf(bare, run.font, run.size) });
  };
  for (const word of wordsOf(text, base)) {
    if (used + word.width <= width) put(word);
    else if (word.width <= width && used > 0) next(word);
    else {
      const [head, ...rest] = pieces(word, Math.max(width - used, width / 3), width);
      if (head !== undefined) {
        if (used + head.width <= width) put(head);
        else next(head);
      }
      for (const piece of rest) next(piece);
    }
  }
  return lines.filter((line, at) => line.length > 0 || at === 0);
}

export function lineWidth(line: Line): number {
  return line.reduce((sum, run) => sum + run.width, 0);
}

/** Widths of the longest word and of the whole text. */
export function extentOf(text: Text, base: Style): { readonly least: number; readonly most: number } {
  const words = wordsOf(text, base);
  return {
    least: words.reduce((most, { text: word, font, size }) => Math.max(most, widthOf(word.trim(), font, size)), 0),
    most: lineWidth(words),
  };
}

/** @param y of the base line */
export function drawLine(page: Page, line: Line, x: number, y: number): void {
  let at = x;
  for (const run of merged(line)) {
    page.text(at, y, run.text, run.font, run.size, run.colour);
    at += run.width;
  }
}

/** Neighbours of one style as one run. */
function merged(line: Line): Run[] {
  const runs: Run[] = [];
  for (const run of line) {
    const last = runs.at(-1);
    if (last !== undefined && last.font === run.font && last.size === run.size && last.colour === run.colour) {
      runs.splice(-1, 1, { ...last, text: last.text + run.text, width: last.width + run.width });
    } else runs.push(run);
  }
  return runs;
}
