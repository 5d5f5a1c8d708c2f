// Reading headers that may be anybody's: a verifier opens bundles it has no reason to trust. A member of another shape than the format
// says reads as absent; nothing here throws.

export type Header = Readonly<Record<string, unknown>>;

export interface Actor {
  readonly issuer: string;
  readonly subject: string;
  readonly kind: string;
}

/** Text of a text, number or boolean; else empty. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** A number of at least 0 that can be counted with; else 0. */
export function countOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : 0;
}

export function objectOf(value: unknown): Header | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Header) : null;
}

export function memberOf(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) at = objectOf(at)?.[name];
  return at;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textsOf(value: unknown): string[] {
  return listOf(value).map(textOf);
}

export function actorOf(value: unknown): Actor | null {
  const actor = objectOf(value);
  return actor === null ? null : { issuer: textOf(actor['issuer']), subject: textOf(actor['subject']), kind: textOf(actor['kind']) };
}

export function parseHeader(bytes: Buffer): Header | null {
  try {
    return objectOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    return null;
  }
}

/** `issuer/subject` as people read it; null = nobody is named. */
export function actorName(actor: Actor | null): string {
  return actor === null ? '' : `${actor.issuer}/${actor.subject}`;
}
