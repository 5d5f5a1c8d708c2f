// A PDF of text, lines and rectangles, written plainly: no compression, no embedded fonts, no dates, no identifiers. The same calls give the
// same bytes with every version of Node, and what is on a page can be read in the file with any editor.
// SPEC: ISO 32000-1 (PDF 1.7).

import { FONT_NAMES, type FontName, literal } from './fonts.ts';

/** A4, in points. */
export const PAGE = { width: 595.28, height: 841.89 } as const;

/** Red, green, blue: 0 to 255. */
export type Colour = readonly [number, number, number];

/** One page; the origin is its upper left corner, y grows downwards. */
export class Page {
  readonly #content: string[] = [];

  /** @param y of the base line. @param text printable (fonts.ts) */
  text(x: number, y: number, text: string, font: FontName, size: number, colour: Colour): void {
    const name = `/F${FONT_NAMES.indexOf(font)}`;
    this.#content.push(`BT ${name} ${num(size)} Tf ${rgb(colour)} rg ${num(x)} ${num(PAGE.height - y)} Td ${literal(text)} Tj ET`);
  }

  fill(x: number, y: number, width: number, height: number, colour: Colour): void {
    this.#content.push(`${rgb(colour)} rg ${num(x)} ${num(PAGE.height - y - height)} ${num(width)} ${num(height)} re f`);
  }

  line(x1: number, y1: number, x2: number, y2: number, width: number, colour: Colour): void {
    const ends = `${num(x1)} ${num(PAGE.height - y1)} m ${num(x2)} ${num(PAGE.height - y2)} l`;
    this.#content.push(`${rgb(colour)} RG ${num(width)} w ${ends} S`);
  }

  frame(x: number, y: number, width: number, height: number, colour: Colour): void {
    this.#content.push(`${rgb(colour)} RG 0.7 w ${num(x)} ${num(PAGE.height - y - height)} ${num(width)} ${num(height)} re S`);
  }

  content(): string {
    return `${this.#content.join('\n')}\n`;
  }
}

export interface OutlineItem {
  readonly title: string;
  /** From 0. */
  readonly page: number;
  readonly y: number;
}

/** @param pages at least one */
export function encodePdf(title: string, pages: readonly Page[], outline: readonly OutlineItem[]): Buffer {
  const fonts = FONT_NAMES.map((name) => `<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`);
  // Numbers of objects: catalogue, pages, information, fonts, outline and its items, then two for each page.
  const [fontAt, outlineAt] = [4, 4 + fonts.length];
  const pageAt = outlineAt + 1 + outline.length;
  const pageOf = (index: number): string => `${pageAt + 2 * index} 0 R`;
  const resources = `<< /Font << ${fonts.map((_, at) => `/F${at} ${fontAt + at} 0 R`).join(' ')} >> >>`;
  const items = outline.map(({ title: text, page, y }, at) => {
    const links = [
      at === 0 ? '' : ` /Prev ${outlineAt + at} 0 R`,
      at === outline.length - 1 ? '' : ` /Next ${outlineAt + at + 2} 0 R`,
    ].join('');
    const place = `[${pageOf(page)} /XYZ 0 ${num(PAGE.height - y)} null]`;
    return `<< /Title ${documentText(text)} /Parent ${outlineAt} 0 R${links} /Dest ${place} >>`;
  });
  const ends = items.length === 0 ? '' : ` /First ${outlineAt + 1} 0 R /Last ${outlineAt + items.length} 0 R`;
  const objects = [
    `<< /Type /Catalog /Pages 2 0 R /Outlines ${outlineAt} 0 R /PageMode /UseOutlines /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>`,
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, at) => pageOf(at)).join(' ')}] /MediaBox [0 0 ${num(PAGE.width)} ${num(PAGE.height)}] >>`,
    `<< /Title ${documentText(title)} >>`,
    ...fonts,
    `<< /Type /Outlines /Count ${items.length}${ends} >>`,
    ...items,
    ...pages.flatMap((page, at) => {
      const content = page.content();
      return [
        `<< /Type /Page /Parent 2 0 R /Resources ${resources} /Contents ${pageAt + 2 * at + 1} 0 R >>`,
        `<< /Length ${content.length} >>\nstream\n${content}endstream`,
      ];
    }),
  ];
  let text = '%PDF-1.7\n';
  const places = objects.map((object, at) => {
    const place = text.length;
    text += `${at + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(place).padStart(10, '0')} 00000 n \n`;
  });
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.join('')}`;
  // All of it is ASCII, so characters are bytes.
  return Buffer.from(
    `${text}${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 3 0 R >>\nstartxref\n${text.length}\n%%EOF\n`,
    'ascii',
  );
}

/** A string outside of pages: ASCII as it is, other text as UTF-16. */
function documentText(text: string): string {
  if (/^[ -~]*$/.test(text)) return literal(text);
  return `<feff${Buffer.from(text, 'utf16le').swap16().toString('hex')}>`;
}

function rgb(colour: Colour): string {
  return colour.map((part) => num(part / 255)).join(' ');
}

function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}
