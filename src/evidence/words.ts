// Numbers, times and the codes of the log in plain words, the same on every page that is made from a log.

const CONTROLS = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** Characters that control a terminal, or reorder or hide text, become visible. */
export function visible(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** A character as its code point: `\u{202e}`. */
export function escaped(mark: string): string {
  return `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`;
}

/** `12345` -> `12,345`. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 request`, `2 requests`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${grouped(value)} ${value === 1 ? one : many}`;
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** `2026-11-21T12:00:00.000Z` -> `2026-11-21 12:00:00`; always UTC. */
export function timeText(ts: string): string {
  return ts.replace('T', ' ').replace(/(?:\.\d+)?Z$/, '');
}

/** Why requests were denied. Codes that are not here speak for themselves. */
const DENIALS: Readonly<Record<string, string>> = {
  rule: 'a rule of the policy denies it',
  'no-access': 'no role gives access to the target or its tables',
  'effect-not-granted': 'the role may not do this kind of thing (for example write)',
  'not-understood': 'the statement was not understood with certainty',
  'policy-error': 'a condition of the policy could not be decided',
  predicate: 'it searches or sorts by protected data',
  'approval-denied': 'a reviewer said no',
  'approval-expired': 'nobody answered in time',
  'approval-void': 'something changed after it was approved',
  cancelled: 'the client gave up',
  'shutting-down': 'the gateway was stopping',
  unavailable: 'something that the gateway needs was out of order',
  'outside-grant': 'it goes beyond what the grant gives',
  'grant-rows': 'the rows that the grant allows in an hour were used up',
};

const LOGIN_FAULTS: Readonly<Record<string, string>> = {
  malformed: 'what was sent is no token',
  'unknown-issuer': 'the token is from an identity provider that is not trusted',
  algorithm: 'the token is signed in a way that is not allowed',
  'bad-signature': 'the signature of the token is wrong',
  expired: 'the token is too old',
  'not-yet-valid': 'the token is not valid yet',
  'wrong-audience': 'the token is meant for another service',
  'missing-claim': 'the token lacks something that is required',
  locked: 'the identity or the target is locked',
  'no-access': 'no role gives access to the target',
};

const ENDINGS: Readonly<Record<string, string>> = {
  client: 'the client left',
  idle: 'nothing came from the client for too long',
  time: 'its time was over',
  unanswered: 'nobody answered in time',
  denied: 'it was denied',
  revoked: 'it was taken back',
  withdrawn: 'it was withdrawn',
  cancelled: 'the client gave up',
  'policy-changed': 'the policy changed',
  locked: 'a lock was set',
  'shutting-down': 'the gateway was stopping',
  restart: 'the gateway was started again',
};

const TABLES = { denial: DENIALS, login: LOGIN_FAULTS, ending: ENDINGS } as const;

/** Null for a code without words. */
export function wordsOf(table: keyof typeof TABLES, code: string): string | null {
  const words = TABLES[table];
  return Object.hasOwn(words, code) ? (words[code] ?? null) : null;
}
