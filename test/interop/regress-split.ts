// Cuts a regression file into statements, as psql sees them: a marker is printed behind every line that ends one, so that
// the output can be cut at the same places on both sides.

const marker = '@@interop';

/** The file with a marker behind each line that leaves nothing open. The marker carries the line's number. */
export function marked(text: string): string {
  const out: string[] = [];
  const state = new Lexer();
  let isData = false;
  for (const [index, line] of text.split('\n').entries()) {
    out.push(line);
    if (isData) {
      isData = line !== '\\.';
      if (isData) continue;
    } else {
      state.line(line);
      if (!state.isBetween) continue;
      isData = state.takesData;
      state.clear();
      if (isData) continue;
    }
    if (line.trim() !== '') out.push(`\\echo ${marker} ${index + 1}`);
  }
  return out.join('\n');
}

/** Line of the file -> what was printed for the statement that ends there, without positions of errors. */
export function splitMarked(output: string): Map<number, string> {
  const blocks = new Map<number, string>();
  let block: string[] = [];
  for (const line of output.split('\n')) {
    if (line.startsWith(`\\echo ${marker}`)) continue;
    const match = /^@@interop (\d+)$/.exec(line);
    if (match === null) {
      block.push(line);
      continue;
    }
    blocks.set(Number(match[1]), withoutPositions(block).join('\n'));
    block = [];
  }
  // Behind the last marker there is something only when psql ended early.
  if (block.some((line) => line.trim() !== '')) blocks.set(Number.MAX_SAFE_INTEGER, block.join('\n'));
  return blocks;
}

/** `LINE 1: SELECT ...` and the caret below it. */
function withoutPositions(lines: readonly string[]): string[] {
  return lines.filter((line, index) => !/^LINE \d+: /.test(line) && !(/^ *\^$/.test(line) && /^LINE \d+: /.test(lines[index - 1] ?? '')));
}

/** Enough of psql's lexer to know where a statement ends. */
class Lexer {
  #open: 'none' | 'quote' | 'escape' | 'name' | 'dollar' | 'comment' = 'none';
  #tag = '';
  #depth = 0;
  #parens = 0;
  #begins = 0;
  #text = '';
  #isEnded = true;

  get isBetween(): boolean {
    return this.#isEnded && this.#open === 'none';
  }

  /** COPY FROM STDIN: lines of data follow. */
  get takesData(): boolean {
    return /^\s*\\?copy\b[^;]*\bfrom\s+(stdin|pstdin)\b/i.test(this.#text);
  }

  clear(): void {
    this.#text = '';
    this.#begins = 0;
  }

  line(line: string): void {
    let rest = line;
    while (rest !== '') rest = this.#open === 'none' ? this.#outside(rest) : this.#inside(rest);
    this.#text += '\n';
  }

  #inside(rest: string): string {
    if (this.#open === 'comment') {
      const match = /\/\*|\*\//.exec(rest);
      if (match === null) return '';
      this.#depth += match[0] === '/*' ? 1 : -1;
      if (this.#depth === 0) this.#open = 'none';
      return rest.slice(match.index + 2);
    }
    const end = { quote: /''|'/, escape: /\\.|''|'/, name: /""|"/, dollar: null, none: null }[this.#open];
    if (end === null) {
      const at = rest.indexOf(this.#tag);
      if (at < 0) return '';
      this.#open = 'none';
      return rest.slice(at + this.#tag.length);
    }
    const match = end.exec(rest);
    if (match === null) return '';
    if (match[0].length === 1) this.#open = 'none';
    return rest.slice(match.index + match[0].length);
  }

  #outside(rest: string): string {
    const token =
      /^(\s+|--.*|\/\*|[eE]'|'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\\.*|.)/u.exec(
        rest,
      )?.[0] ?? rest;
    const left = rest.slice(token.length);
    if (/^\s|^--/.test(token)) return left;
    if (token.startsWith('\\') && token.length > 1) {
      // A command of psql ends what is open (`\gset`), or stands alone.
      if (this.#isEnded || /^\\(g|gset|gx|gexec|gdesc|crosstabview|watch|r|;)/.test(token)) this.#isEnded = !token.startsWith('\\;');
      this.#text += token;
      return '';
    }
    if (token === '/*') {
      this.#open = 'comment';
      this.#depth = 1;
      return left;
    }
    this.#isEnded = false;
    this.#text += `${token} `;
    if (token === "'") this.#open = 'quote';
    else if (token.length === 2 && token.endsWith("'")) this.#open = 'escape';
    else if (token === '"') this.#open = 'name';
    else if (token.startsWith('$') && token.endsWith('$') && token.length > 1) {
      this.#open = 'dollar';
      this.#tag = token;
    } else if (token === '(') this.#parens += 1;
    else if (token === ')') this.#parens = Math.max(0, this.#parens - 1);
    else if (/^(begin|case|end)$/i.test(token)) this.#block(token.toLowerCase());
    else if (token === ';' && this.#parens === 0 && this.#begins === 0) this.#isEnded = true;
    return left;
  }

  /** BEGIN ATOMIC of SQL functions holds statements. */
  #block(word: string): void {
    if (!/^\s*create\s+(or\s+replace\s+)?(function|procedure)\b/i.test(this.#text)) return;
    if (word === 'begin') this.#begins += 1;
    else if (this.#begins > 0) this.#begins += word === 'case' ? 1 : -1;
  }
}
