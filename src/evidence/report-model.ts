// A page as data: what it says, not how it looks. The HTML and the PDF of a report are two renderings of one of these, so that a number or a
// sentence is derived once. Texts are untrusted; a renderer escapes them where it puts them.

import type { Plot } from './plots.ts';

export interface Span {
  readonly text: string;
  readonly style: 'code' | 'soft' | 'strong';
}
/** A string is plain. */
export type Text = string | readonly (string | Span)[];

export interface Cell {
  readonly lines: readonly Text[];
}

export interface Column {
  readonly label: string;
  readonly isNumber?: true;
}

export interface StoryEvent {
  /** Empty = of the whole range. */
  readonly time: string;
  readonly text: Text;
  /** Log index. */
  readonly index: number | null;
}

export type Block =
  | { readonly kind: 'heading'; readonly level: 2 | 3; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: Text; readonly tone?: 'lead' | 'none' }
  | { readonly kind: 'facts'; readonly rows: readonly (readonly [name: string, value: Text])[] }
  | { readonly kind: 'tiles'; readonly tiles: readonly (readonly [value: string, label: string])[] }
  /** `caution`: things that a reader should not miss. */
  | { readonly kind: 'list'; readonly items: readonly Text[]; readonly tone?: 'caution' }
  | { readonly kind: 'table'; readonly columns: readonly Column[]; readonly rows: readonly (readonly Cell[])[] }
  | { readonly kind: 'plot'; readonly plot: Plot }
  | { readonly kind: 'story'; readonly title: string; readonly id: string; readonly events: readonly StoryEvent[] };

export interface Report {
  /** Of the document. */
  readonly name: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

export const code = (text: string): Span => ({ text, style: 'code' });
export const soft = (text: string): Span => ({ text, style: 'soft' });
export const strong = (text: string): Span => ({ text, style: 'strong' });
export const cell = (...lines: readonly Text[]): Cell => ({ lines });

export const heading = (level: 2 | 3, text: string): Block => ({ kind: 'heading', level, text });
export const paragraph = (text: Text): Block => ({ kind: 'paragraph', text });
/** Where there could have been something. */
export const none = (text: string): Block => ({ kind: 'paragraph', text, tone: 'none' });

/** Spans of a text, plain ones included. */
export function spansOf(text: Text): readonly { readonly text: string; readonly style: Span['style'] | 'plain' }[] {
  return (typeof text === 'string' ? [text] : text).map((span) => (typeof span === 'string' ? { text: span, style: 'plain' } : span));
}
