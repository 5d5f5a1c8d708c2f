// Elements of an array as PostgreSQL writes it. SPEC: "Array Input and Output Syntax".

/** @returns null for a text that is no one-dimensional array literal; NULL elements are left out. */
export function arrayElements(text: string): readonly string[] | null {
  const inner = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (inner === undefined) return null;
  if (inner.trim() === '') return [];
  const elements: string[] = [];
  const element = /\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^",{}\\]|\\.)*))\s*(,|$)/gsy;
  for (;;) {
    const match = element.exec(inner);
    if (match === null) return null;
    const [, quoted, bare, end] = match;
    const value = (quoted ?? bare?.trim() ?? '').replaceAll(/\\(.)/gs, '$1');
    if (quoted === undefined && value === '') return null;
    if (quoted !== undefined || value.toLowerCase() !== 'null') elements.push(value);
    if (end === '') return elements;
  }
}
