// Where a class is found in the answers of an HTTP API: `target:[METHOD ]path location`.
//   ehr-api:GET /patients/** $.name       by JSON path: `$`, `.name`, `['name']`, `[*]`, `.*`, and each of them after `..`
//   ehr-api:** Patient.telecom.where(system='phone')   by FHIR path: any resource of that type, at any depth
// A location covers the value it names and everything inside of it. Names step through arrays, as in FHIR.
// REFUSES: numbers as indexes, slices, filters and functions: they name values by where they happen to stand.

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const maxSteps = 20;

interface JsonStep {
  /** Null = every member of an object or entry of an array. */
  readonly name: string | null;
  /** At any depth below, not only directly. */
  readonly deep: boolean;
}

interface FhirElement {
  readonly name: string;
  /** Written with `[x]`: the element has its type in its name, `onsetDateTime` or `onsetAge`. */
  readonly choice: boolean;
  /** Only entries whose element `name` is `value`: `where(system='phone')`. */
  readonly where: { readonly name: string; readonly value: string } | null;
}

type JsonLocation =
  | { readonly kind: 'json'; readonly steps: readonly JsonStep[] }
  /** `resource` null = of any type. */
  | { readonly kind: 'fhir'; readonly resource: string | null; readonly elements: readonly FhirElement[] };

export interface JsonPlace {
  /** A name, or with `*`. */
  readonly target: string;
  /** Null = any. */
  readonly method: string | null;
  /** Parts between `/`: a text, `*` for one part, `**` (only as the last or the only one) for any number of parts. */
  readonly path: readonly string[];
  readonly location: JsonLocation;
}

export type ParsedJsonPlace =
  | { readonly ok: true; readonly place: JsonPlace }
  /** `offset`: character of the text that is wrong. */
  | { readonly ok: false; readonly offset: number; readonly what: string };

const wrong = (offset: number, what: string): ParsedJsonPlace & { ok: false } => ({ ok: false, offset, what });

export function parseJsonPlace(text: string): ParsedJsonPlace {
  const head = /^([a-z0-9*-]+):(?:([A-Za-z]+) +)?(\S+) +(?=\S)/.exec(text);
  if (head === null) return wrong(0, 'must be target:path location, such as ehr-api:GET /patients/** $.name');
  const [all, target = '', method, path = ''] = head;
  if (method !== undefined && !(methods as readonly string[]).includes(method)) {
    return wrong(target.length + 1, `must be one of the methods ${methods.join(', ')}, in capitals`);
  }
  const parts = pathParts(path);
  if (parts === null) {
    return wrong(text.indexOf(path, target.length + 1), 'must be a path such as /patients/*/notes or /patients/**, or ** for every path');
  }
  const location = text.slice(all.length);
  const found = location.startsWith('$') ? jsonPath(location) : fhirPath(location);
  if (!found.ok) return wrong(all.length + found.offset, found.what);
  return { ok: true, place: { target, method: method ?? null, path: parts, location: found.location } };
}

function pathParts(path: string): string[] | null {
  if (path === '**') return ['**'];
  if (!path.startsWith('/')) return null;
  const parts = path.slice(1).split('/');
  // What a server may read as another path is no pattern: `.`, `..`, escapes, queries, parameters.
  const isPlain = (part: string): boolean => /^[A-Za-z0-9_$@!~.:,=+-]+$/.test(part) && part !== '.' && part !== '..';
  const fits = parts.every((part, index) => part === '*' || (part === '**' && index === parts.length - 1) || isPlain(part));
  return path === '/' ? [''] : fits ? parts : null;
}

type FoundLocation =
  | { readonly ok: true; readonly location: JsonLocation }
  | { readonly ok: false; readonly offset: number; readonly what: string };

const jsonStep =
  /\.\.(?:(\*)|([\p{L}_][\p{L}\p{N}_-]*)|\[(?:(\*)|'([^'\\\p{Cc}]+)')\])|\.(?:(\*)|([\p{L}_][\p{L}\p{N}_-]*))|\[(?:(\*)|'([^'\\\p{Cc}]+)')\]/uy;

function jsonPath(text: string): FoundLocation {
  const steps: JsonStep[] = [];
  let offset = 1;
  while (offset < text.length) {
    jsonStep.lastIndex = offset;
    const match = jsonStep.exec(text);
    if (match === null) return { ok: false, offset, what: "must be .name, ['name'], [*] or .*, or one of them after .." };
    const name = match[2] ?? match[4] ?? match[6] ?? match[8] ?? null;
    steps.push({ name, deep: match[0].startsWith('..') });
    offset = jsonStep.lastIndex;
    if (steps.length > maxSteps) return { ok: false, offset, what: `has more than ${maxSteps} steps` };
  }
  return { ok: true, location: { kind: 'json', steps } };
}

const fhirElement = /\.([a-z][A-Za-z0-9]*)(\[x\])?(?:\.where\(([a-z][A-Za-z0-9]*)='([^'\\\p{Cc}]+)'\))?/uy;

function fhirPath(text: string): FoundLocation {
  const head = /^([A-Z][A-Za-z]*|\*)(?=\.)/.exec(text);
  if (head === null) {
    return { ok: false, offset: 0, what: 'must be a JSON path such as $.patient.name or a FHIR path such as Patient.name' };
  }
  const elements: FhirElement[] = [];
  let offset = head[0].length;
  while (offset < text.length) {
    fhirElement.lastIndex = offset;
    const match = fhirElement.exec(text);
    if (match === null) return { ok: false, offset, what: "must be .element or .element.where(name='value')" };
    const [, name = '', choice, field, value] = match;
    elements.push({
      name,
      choice: choice !== undefined,
      where: field === undefined || value === undefined ? null : { name: field, value },
    });
    offset = fhirElement.lastIndex;
    if (elements.length > maxSteps) return { ok: false, offset, what: `has more than ${maxSteps} steps` };
  }
  return { ok: true, location: { kind: 'fhir', resource: head[1] === '*' ? null : (head[1] ?? null), elements } };
}
