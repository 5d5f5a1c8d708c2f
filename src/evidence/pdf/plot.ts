// Bars over time on a page: the rectangles of plots.ts with axes and a key.

import { type Plot, type SeriesKind, stackOf } from '../plots.ts';
import { grouped } from '../words.ts';
import type { Colour, Page } from './document.ts';
import { printable, widthOf } from './fonts.ts';
import { SOFT } from './text.ts';

/** Of the whole, key included. */
export const PLOT_HEIGHT = 138;
const ROOM = { left: 34, top: 8, bottom: 34 } as const;
const SIZE = 7.5;
const GRID: Colour = [217, 224, 231];
const TICK: Colour = [182, 194, 206];
const COLOURS: Readonly<Record<SeriesKind, Colour>> = {
  run: [47, 109, 179],
  held: [201, 138, 27],
  denied: [192, 57, 43],
  rows: [58, 143, 111],
};

export function drawPlot(page: Page, plot: Plot, x: number, y: number, width: number): void {
  const room = { x: x + ROOM.left, y: y + ROOM.top, width: width - ROOM.left, height: PLOT_HEIGHT - ROOM.top - ROOM.bottom };
  const foot = room.y + room.height;
  const write = (text: string, at: number, base: number): void => page.text(at, base, printable(text), 'Helvetica', SIZE, SOFT);
  for (const value of plot.lines) {
    const at = foot - (value / plot.top) * room.height;
    const text = grouped(value);
    page.line(room.x, at, room.x + room.width, at, 0.5, GRID);
    write(text, room.x - 6 - widthOf(text, 'Helvetica', SIZE), at + 2.6);
  }
  for (const at of plot.bars.keys()) {
    for (const bar of stackOf(plot, at)) {
      const height = bar.height * room.height;
      page.fill(room.x + bar.x * room.width, foot - bar.y * room.height - height, bar.width * room.width, height, COLOURS[bar.kind]);
    }
  }
  for (const { at, label } of plot.ticks) {
    page.line(room.x + at * room.width, foot, room.x + at * room.width, foot + 3, 0.5, TICK);
    write(label, room.x + at * room.width, foot + 11);
  }
  const base = foot + 25;
  let at = x;
  const told = `One bar is ${plot.bar}.`;
  write(told, at, base);
  at += widthOf(printable(told), 'Helvetica', SIZE) + 14;
  for (const { kind, label } of plot.series) {
    page.fill(at, base - 6, 7, 7, COLOURS[kind]);
    write(label, at + 10, base);
    at += 10 + widthOf(printable(label), 'Helvetica', SIZE) + 12;
  }
}
