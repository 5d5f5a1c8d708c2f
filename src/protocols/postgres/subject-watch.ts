// Whose data one request touches, found while it passes: keys among its constants and parameters, and in its rows as the client sees
// them. Exists only for statements that touch a subject of the configuration. Bounded: of a result that names too many, it says so.
// INVARIANT: what cannot be read makes the request one that may have touched anybody.

import type { KeyFamily } from '../../core/facts.ts';
import type { TargetName } from '../../core/ids.ts';
import { canonicalKey } from '../../core/subject-value.ts';
import type { SubjectDigests, SubjectIndex } from '../../core/subject.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import { Framer, readInt32 } from '../../wire/framer.ts';
import { copyFields, keyOf, keysOf } from './key-values.ts';
import { UPSTREAM } from './messages.ts';
import type { PlannedText } from './planner.ts';
import type { Portal } from './prepared.ts';

/** Different keys of one subject in one request. */
export const MAX_KEYS = 16_384;
/** A row that comes in pieces and is larger is not read. */
const MAX_ROW_BYTES = 1024 * 1024;
const HEADER_BYTES = 5;

interface ColumnForm {
  readonly type: number;
  readonly isBinary: boolean;
}

class Found {
  readonly asked = new Map<string, Uint8Array>();
  readonly returned = new Map<string, Uint8Array>();
  isClosed: boolean;
  readonly #digest: (key: string) => Uint8Array;

  constructor(isClosed: boolean, digest: (key: string) => Uint8Array) {
    this.isClosed = isClosed;
    this.#digest = digest;
  }

  add(to: 'asked' | 'returned', key: string | null): void {
    const known = this[to];
    if (key !== null && known.has(key)) return;
    if (key === null || known.size >= MAX_KEYS) this.isClosed = false;
    else known.set(key, this.#digest(key));
  }
}

export class SubjectWatch {
  readonly #bySubject = new Map<string, Found>();
  readonly #planned: PlannedText;
  #columns: readonly ColumnForm[] | null = null;
  #pieces: Framer | null = null;
  #isSkipping = false;

  /** Null: the statement touches nobody's data. */
  static of(index: SubjectIndex | null, target: TargetName, planned: PlannedText | null, portal: Portal | null): SubjectWatch | null {
    return index === null || planned?.plan.facts.subjects === undefined ? null : new SubjectWatch(index, target, planned, portal);
  }

  private constructor(index: SubjectIndex, target: TargetName, planned: PlannedText, portal: Portal | null) {
    this.#planned = planned;
    for (const { subject, isClosed } of planned.plan.facts.subjects ?? []) {
      this.#bySubject.set(subject, new Found(isClosed, (key) => index.digest(target, subject, key)));
    }
    for (const { subject, family, text } of planned.plan.subjectConstants ?? []) {
      this.#bySubject.get(subject)?.add('asked', canonicalKey(family, text));
    }
    this.#readParameters(portal);
  }

  /** RowDescription of the rows that follow. */
  columns(body: Uint8Array): void {
    const reader = new ByteReader(body);
    const columns: ColumnForm[] = [];
    for (let left = reader.uint16(); left > 0; left -= 1) {
      reader.cString();
      reader.bytes(6);
      const type = reader.uint32();
      reader.bytes(6);
      columns.push({ type, isBinary: reader.int16() === 1 });
    }
    this.#columns = columns;
  }

  /** A stretch of row bytes, as `ScannerSink.rowBytes`. @param statement index of the one that runs */
  rows(statement: number, bytes: Uint8Array, isBoundary: boolean): void {
    if (this.#planned.plan.statements[statement]?.subjectOutputs === undefined) return;
    if (this.#isSkipping) {
      this.#isSkipping = !isBoundary;
      return;
    }
    try {
      if (this.#pieces === null && isBoundary) {
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + readInt32(bytes, at + 1);
          this.#row(statement, bytes[at] ?? 0, bytes.subarray(at + HEADER_BYTES, end));
          at = end;
        }
        return;
      }
      this.#pieces ??= new Framer(MAX_ROW_BYTES);
      for (const { type, body } of this.#pieces.push(bytes)) this.#row(statement, type, body);
    } catch {
      this.#giveUp();
      this.#isSkipping = !isBoundary;
      this.#pieces = null;
    }
    if (isBoundary) this.#pieces = null;
  }

  /** It came to no end: an error may print values of any row that was read, and what was changed may not be shown. */
  interrupted(): void {
    this.#giveUp();
  }

  finish(): readonly SubjectDigests[] {
    return [...this.#bySubject].map(([subject, { asked, returned, isClosed }]) => ({
      subject,
      asked: [...asked.values()],
      returned: [...returned.values()],
      isClosed,
    }));
  }

  #row(statement: number, type: number, body: Uint8Array): void {
    const { subjectOutputs = [], copyForm } = this.#planned.plan.statements[statement] ?? {};
    const values = type === UPSTREAM.dataRow ? this.#dataRow(body) : copyForm === undefined ? null : copyFields(body, copyForm);
    for (const { subject, column, family } of subjectOutputs) {
      const value = values?.[column];
      if (value === null) continue;
      this.#bySubject.get(subject)?.add('returned', value === undefined ? null : this.#keyIn(value, column, family));
    }
  }

  #keyIn(value: Uint8Array | string, column: number, family: KeyFamily): string | null {
    if (typeof value === 'string') return canonicalKey(family, value);
    const form = this.#columns?.[column];
    return form === undefined ? null : keyOf({ bytes: value, ...form }, family);
  }

  /** @returns null when it is not as it was described */
  #dataRow(body: Uint8Array): readonly (Uint8Array | null)[] | null {
    const reader = new ByteReader(body);
    const count = reader.uint16();
    if (count !== this.#columns?.length) return null;
    const values: (Uint8Array | null)[] = [];
    for (let left = count; left > 0; left -= 1) {
      const length = reader.int32();
      values.push(length === -1 ? null : reader.bytes(length));
    }
    return values;
  }

  #readParameters(portal: Portal | null): void {
    const asked = this.#planned.plan.facts.subjects?.some(({ parameters }) => parameters.length > 0) === true;
    if (!asked) return;
    const bytes = portal?.parameterBytes ?? null;
    const values = bytes === null || portal === null ? null : parametersOf(bytes, portal.statement.parameterTypes);
    for (const { subject, parameters } of this.#planned.plan.facts.subjects ?? []) {
      const found = this.#bySubject.get(subject);
      for (const { number, family, isArray } of parameters) {
        const value = values?.[number - 1];
        if (value === null) continue;
        const keys = value === undefined ? null : isArray ? keysOf(value, family) : [keyOf(value, family)];
        for (const key of keys ?? [null]) found?.add('asked', key);
      }
    }
  }

  #giveUp(): void {
    for (const found of this.#bySubject.values()) found.isClosed = false;
  }
}

/** Null = NULL. */
function parametersOf(
  parameterBytes: Uint8Array,
  types: readonly number[],
): readonly ({ bytes: Uint8Array; isBinary: boolean; type: number } | null)[] {
  const reader = new ByteReader(parameterBytes);
  const formats: number[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) formats.push(reader.int16());
  const count = reader.uint16();
  return Array.from({ length: count }, (_, index) => {
    const length = reader.int32();
    const isBinary = ((formats.length === 1 ? formats[0] : formats[index]) ?? 0) === 1;
    return length === -1 ? null : { bytes: reader.bytes(length), isBinary, type: types[index] ?? 0 };
  });
}
