// report.pdf: the same report for paper, from the same model as report.html. Pages are A4; each names the log and its number.

import { encodePdf, type Colour, type OutlineItem, Page, PAGE } from './pdf/document.ts';
import { printable, widthOf } from './pdf/fonts.ts';
import { drawPlot, PLOT_HEIGHT } from './pdf/plot.ts';
import { columnWidths, type TableLayout } from './pdf/table.ts';
import { BODY, drawLine, INK, type Line, linesOf, lineWidth, SMALL, SOFT, type Style } from './pdf/text.ts';
import type { Block, Cell, Report, Text } from './report-model.ts';
import { grouped } from './words.ts';

const MARGIN = { left: 50, right: 50, top: 54, bottom: 58 } as const;
const WIDTH = PAGE.width - MARGIN.left - MARGIN.right;
const BOTTOM = PAGE.height - MARGIN.bottom;
const LEADING = 1.38;
const RULE: Colour = [217, 224, 231];
const EDGE: Colour = [182, 194, 206];
const PANE: Colour = [245, 247, 250];
const CAUTION: Colour = [201, 138, 27];
const TITLE: Style = { font: 'Helvetica-Bold', size: 19, colour: INK };
const PART: Style = { font: 'Helvetica-Bold', size: 13.5, colour: INK };
const SECTION: Style = { font: 'Helvetica-Bold', size: 10.5, colour: INK };
const GAP = 10;
const STORY_TIME = 102;

export function renderPdf({ name, title, blocks }: Report): Buffer {
  const flow = new Flow();
  flow.text(title, TITLE, MARGIN.left, WIDTH);
  flow.space(4);
  for (const [at, block] of blocks.entries()) flow.block(block, blocks[at + 1]?.kind === 'plot');
  return flow.encode(name);
}

class Flow {
  readonly #pages: Page[] = [];
  readonly #outline: OutlineItem[] = [];
  #page = new Page();
  #y: number = MARGIN.top;

  constructor() {
    this.#pages.push(this.#page);
  }

  encode(name: string): Buffer {
    const style: Style = { ...SMALL, size: 7.5, colour: SOFT };
    for (const [at, page] of this.#pages.entries()) {
      const y = PAGE.height - 30;
      const number = printable(`Page ${at + 1} of ${this.#pages.length}`);
      const [line] = linesOf(name, WIDTH - 90, style);
      page.line(MARGIN.left, y - 12, PAGE.width - MARGIN.right, y - 12, 0.5, RULE);
      if (line !== undefined) drawLine(page, line, MARGIN.left, y);
      page.text(PAGE.width - MARGIN.right - widthOf(number, style.font, style.size), y, number, style.font, style.size, style.colour);
    }
    return encodePdf(name, this.#pages, this.#outline);
  }

  /** @param isBeforePlot the block behind it is a plot */
  block(block: Block, isBeforePlot: boolean): void {
    switch (block.kind) {
      case 'heading':
        return block.level === 2 ? this.#part(block.text, isBeforePlot) : this.#section(block.text);
      case 'paragraph': {
        const style = block.tone === undefined ? BODY : { ...BODY, colour: SOFT, size: block.tone === 'lead' ? 10.5 : BODY.size };
        this.text(block.text, style, MARGIN.left, WIDTH * 0.92);
        return this.space(6);
      }
      case 'facts':
        return this.#facts(block.rows);
      case 'tiles':
        return this.#tiles(block.tiles);
      case 'list':
        return this.#list(block.items, block.tone === 'caution');
      case 'table':
        return this.#table(block);
      case 'plot':
        this.#section(block.plot.title, PLOT_HEIGHT);
        drawPlot(this.#page, block.plot, MARGIN.left, this.#y, WIDTH);
        return this.space(PLOT_HEIGHT);
      case 'story':
        return this.#story(block);
    }
  }

  /** Lines of text; a page may end between any two. */
  text(text: Text, style: Style, x: number, width: number): void {
    this.#lines(linesOf(text, width, style), style, x);
  }

  space(height: number): void {
    this.#y += height;
  }

  #lines(lines: readonly Line[], style: Style, x: number): void {
    for (const line of lines) {
      this.#need(style.size * LEADING);
      drawLine(this.#page, line, x, this.#y + style.size);
      this.#y += style.size * LEADING;
    }
  }

  /** @returns whether a new page began */
  #need(height: number): boolean {
    if (this.#y + height <= BOTTOM || this.#y === MARGIN.top) return false;
    this.#page = new Page();
    this.#pages.push(this.#page);
    this.#y = MARGIN.top;
    return true;
  }

  #part(text: string, isBeforePlot: boolean): void {
    this.space(16);
    // A part begins where its heading has room, and a plot, or a few rows, below it.
    if (!this.#need(isBeforePlot ? PLOT_HEIGHT + 70 : 110)) {
      this.#page.line(MARGIN.left, this.#y, MARGIN.left + WIDTH, this.#y, 0.7, EDGE);
      this.space(10);
    }
    this.#outline.push({ title: text, page: this.#pages.length - 1, y: this.#y - 4 });
    this.text(text, PART, MARGIN.left, WIDTH);
    this.space(4);
  }

  /** @param with height of what must be on the same page */
  #section(text: Text, following = 60): void {
    this.space(8);
    const lines = linesOf(text, WIDTH, SECTION);
    this.#need(lines.length * SECTION.size * LEADING + 3 + following);
    this.#lines(lines, SECTION, MARGIN.left);
    this.space(3);
  }

  #facts(rows: readonly (readonly [name: string, value: Text])[]): void {
    const [pad, label] = [10, 66];
    const laid = rows.map(([name, value]) => ({ name, lines: linesOf(value, WIDTH - label - 2 * pad, BODY) }));
    const step = BODY.size * LEADING;
    const height = laid.reduce((sum, { lines }) => sum + lines.length * step, 2 * pad);
    this.space(4);
    this.#need(height);
    this.#page.fill(MARGIN.left, this.#y, WIDTH, height, PANE);
    let y = this.#y + pad;
    for (const { name, lines } of laid) {
      const [term] = linesOf(name, label, { ...BODY, colour: SOFT });
      if (term !== undefined) drawLine(this.#page, term, MARGIN.left + pad, y + BODY.size);
      for (const line of lines) {
        drawLine(this.#page, line, MARGIN.left + pad + label, y + BODY.size);
        y += step;
      }
    }
    this.space(height + 4);
  }

  #tiles(tiles: readonly (readonly [value: string, label: string])[]): void {
    const [columns, height] = [4, 46];
    const width = (WIDTH - (columns - 1) * GAP) / columns;
    for (let first = 0; first < tiles.length; first += columns) {
      this.#need(height);
      for (const [at, [value, label]] of tiles.slice(first, first + columns).entries()) {
        const x = MARGIN.left + at * (width + GAP);
        this.#page.frame(x, this.#y, width, height, EDGE);
        this.#page.text(x + 10, this.#y + 22, printable(value), 'Helvetica-Bold', 16, INK);
        this.#page.text(x + 10, this.#y + 36, printable(label), 'Helvetica', 8.5, SOFT);
      }
      this.space(height + GAP);
    }
  }

  #list(items: readonly Text[], isCaution: boolean): void {
    const x = MARGIN.left + (isCaution ? 12 : 0);
    for (const item of items) {
      const lines = linesOf(item, WIDTH - 30, BODY);
      const height = lines.length * BODY.size * LEADING;
      this.#need(height + 3);
      if (isCaution) this.#page.fill(MARGIN.left, this.#y, 2.2, height + 3, CAUTION);
      this.#page.text(x + 2, this.#y + BODY.size, '\u2022', 'Helvetica', BODY.size, SOFT);
      this.#lines(lines, BODY, x + 13);
      this.space(3);
    }
    this.space(4);
  }

  #table({ columns, rows }: Extract<Block, { kind: 'table' }>): void {
    const layout = columnWidths(columns, rows, WIDTH);
    const head = columns.map(({ label }, at) => linesOf(label, layout[at]?.width ?? 0, HEAD));
    const headHeight = Math.max(...head.map((lines) => lines.length)) * SMALL.size * LEADING + 6;
    const drawHead = (): void => {
      this.#cells(head, layout, 0, Infinity);
      this.space(headHeight);
      this.#page.line(MARGIN.left, this.#y - 2, MARGIN.left + WIDTH, this.#y - 2, 0.7, EDGE);
      this.space(2);
    };
    const step = SMALL.size * LEADING;
    const laid = rows.map((cells) => cells.map((cell, at) => cellLines(cell, layout[at]?.width ?? 0)));
    this.space(2);
    this.#need(headHeight + (laid[0] === undefined ? 0 : heightOf(laid[0])) * step + 8);
    drawHead();
    const room = BOTTOM - MARGIN.top - headHeight - 8;
    for (const cells of laid) {
      const count = heightOf(cells);
      // A row that no page can hold goes on on the next one.
      let done = 0;
      while (done < count) {
        const isWhole = done === 0 && count * step + 6 <= room;
        if (this.#need(isWhole ? count * step + 6 : step + 6)) drawHead();
        const fits = isWhole ? count : Math.max(1, Math.floor((BOTTOM - this.#y - 6) / step));
        const drawn = Math.min(fits, count - done);
        this.#cells(cells, layout, done, done + drawn);
        done += drawn;
        this.space(drawn * step + 6);
        this.#page.line(MARGIN.left, this.#y - 3, MARGIN.left + WIDTH, this.#y - 3, 0.5, RULE);
      }
    }
    this.space(6);
  }

  #cells(cells: readonly (readonly Line[])[], layout: TableLayout, from: number, to: number): void {
    for (const [at, lines] of cells.entries()) {
      const column = layout[at];
      if (column === undefined) continue;
      for (const [row, line] of lines.slice(from, to).entries()) {
        const x = MARGIN.left + column.x + (column.isNumber ? column.width - lineWidth(line) : 0);
        drawLine(this.#page, line, x, this.#y + SMALL.size + row * SMALL.size * LEADING);
      }
    }
  }

  #story({ title, id, events }: Extract<Block, { kind: 'story' }>): void {
    const step = BODY.size * LEADING;
    const width = WIDTH - STORY_TIME - 12;
    const laid = events.map(({ time, text, index }) => ({
      time,
      lines: linesOf(
        [
          ...(typeof text === 'string' ? [text] : text),
          ...(index === null ? [] : [{ text: ` entry\u00a0${grouped(index)}`, style: 'soft' as const }]),
        ],
        width,
        BODY,
      ),
    }));
    const height = laid.reduce((sum, { lines }) => sum + lines.length * step + 3, 0);
    // Whole on one page where that leaves no half page empty.
    this.#section([title, { text: `  ${id}`, style: 'soft' }], Math.min(height, 220));
    for (const { time, lines } of laid) {
      const own = lines.length * step + 3;
      this.#need(own);
      this.#page.fill(MARGIN.left, this.#y, 2.2, Math.min(own, BOTTOM - this.#y), RULE);
      this.#page.text(MARGIN.left + 12, this.#y + BODY.size, printable(time), 'Helvetica', BODY.size, SOFT);
      this.#lines(lines, BODY, MARGIN.left + 12 + STORY_TIME);
      this.space(3);
    }
    this.space(4);
  }
}

const HEAD: Style = { ...SMALL, font: 'Helvetica-Bold', colour: SOFT };

function cellLines({ lines }: Cell, width: number): Line[] {
  return lines.flatMap((text) => linesOf(text, width, SMALL));
}

/** In lines. */
function heightOf(cells: readonly (readonly Line[])[]): number {
  return Math.max(1, ...cells.map((lines) => lines.length));
}
