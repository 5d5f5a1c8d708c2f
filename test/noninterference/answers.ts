// What one step was answered, from its bytes: equal or not between two worlds, and of which sort.
// Only what names a session, a database or a new object is taken out before comparing.

import type { Answer } from './lane.ts';
import { errorFields } from '../bypass/client.ts';
import { worldName } from './worlds.ts';

export type Outcome = 'rows' | 'empty' | 'refused' | 'error' | 'skipped';

interface Frame {
  readonly type: string;
  readonly body: Buffer;
}

export function framesOf(answer: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; answer.length - at >= 5;) {
    const end = at + 1 + answer.readInt32BE(at + 1);
    frames.push({ type: String.fromCharCode(answer[at] ?? 0), body: answer.subarray(at + 5, end) });
    at = end;
  }
  return frames;
}

/** Objects that a statement makes have OIDs of their own in each world; they show in RowDescription. */
const firstUserOid = 16_384;

function withoutNewOids(answer: Buffer): Buffer {
  const copy = Buffer.from(answer);
  for (const { type, body } of framesOf(copy)) {
    if (type !== 'T') continue;
    for (let count = body.readInt16BE(0), at = 2; count > 0; count -= 1) {
      const end = body.indexOf(0, at) + 1;
      for (const oid of [end, end + 6]) if (body.readUInt32BE(oid) >= firstUserOid) body.writeUInt32BE(firstUserOid, oid);
      at = end + 18;
    }
  }
  return copy;
}

/** The gateway's hints name the session, and so does the target's `application_name`. */
const sessionName = /\bses_[a-z2-7]{26}\b/g;

function withoutNames(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(worldName, 'ni_x0').replaceAll(sessionName, 'ses_x');
}

function comparable(answer: Buffer): string {
  return withoutNames(withoutNewOids(answer));
}

export function isSame(a: Answer, b: Answer): boolean {
  if (a === null || b === null) return a === b;
  return a.equals(b) || comparable(a) === comparable(b);
}

/** The same messages in another order. */
export function isSameInAnyOrder(a: Answer, b: Answer): boolean {
  if (a === null || b === null) return a === b;
  const messages = (answer: Buffer): string =>
    JSON.stringify(
      framesOf(withoutNewOids(answer))
        .map(({ type, body }) => type + withoutNames(body))
        .toSorted(),
    );
  return isSame(a, b) || messages(a) === messages(b);
}

/** The statement ran into the server's time limit in one of the worlds: chance, not data. */
export function isTimeout(answer: Answer): boolean {
  return answer === null || framesOf(answer).some(({ type, body }) => type === 'E' && errorFields(body)['C'] === '57014');
}

export function outcomeOf(answer: Answer): Outcome {
  if (answer === null) return 'skipped';
  const frames = framesOf(answer);
  const error = frames.find(({ type }) => type === 'E');
  if (error !== undefined) {
    const { C, M } = errorFields(error.body);
    if (C === '25P02') return 'skipped';
    // The gateway's own words; not those of a server message that it withheld.
    return M?.startsWith('sallyport:') === true && !M.includes('the message is withheld') ? 'refused' : 'error';
  }
  return frames.some(({ type }) => type === 'D' || type === 'd') ? 'rows' : 'empty';
}

/** SQLSTATE and message of the error in an answer, or null. */
export function errorIn(answer: Answer): string | null {
  const error = answer === null ? undefined : framesOf(answer).find(({ type }) => type === 'E');
  if (error === undefined) return null;
  const { C, M } = errorFields(error.body);
  return `${C} ${M}`;
}

/** The first messages that differ, for people. */
export function differenceOf(a: Answer, b: Answer): string {
  const [left, right] = [a, b].map((answer) => (answer === null ? [] : framesOf(answer)));
  const length = Math.max(left?.length ?? 0, right?.length ?? 0);
  const show = (frame: Frame | undefined): string =>
    frame === undefined ? 'nothing' : `${frame.type} ${JSON.stringify(frame.body.toString('latin1').slice(0, 120))}`;
  for (let index = 0; index < length; index += 1) {
    const [x, y] = [left?.[index], right?.[index]];
    if (x === undefined || y === undefined || x.type !== y.type || !x.body.equals(y.body)) return `${show(x)} <> ${show(y)}`;
  }
  return 'nothing';
}
