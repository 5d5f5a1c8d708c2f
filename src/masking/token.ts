// Tokens: reversible stand-ins for texts, and who may reverse them. SIV by generic composition (Rogaway and Shrimpton):
//   tag    = first 16 bytes of SHA-256(K1, SHA-256(K1, "token:" class ":" value))
//   body   = (value, padded with zero bytes to 24 or 56) XOR SHA-512(K2, tag)
//   token  = "tok_" label "_" key id "_" hex(tag) hex(body)
// Deterministic, so equal values of a class have equal tokens; authenticated, because a token whose value does not give its
// tag again is refused; bound to the class through the tag. Of longer values the body has the first 64 bytes, and the token
// only stands for them: it cannot be reversed. The target makes tokens by the same construction in SQL (token-sql.ts).
// SPEC: docs/masking.md, "Tokens", has the argument. REFUSES: every text that `issue` would not have made.

import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { digestPrefix, type DigestPrefix, keyed, keyedDigest } from './digest.ts';
import { TOKEN_KEY_SETTING, TOKEN_STREAM_KEY_SETTING } from './keyed.ts';

export const TAG_BYTES = 16;
/** A body has one of three lengths, so that a token tells little of the length of its value. */
export const FIRST_BODY_BYTES = 24;
/** Longer values have tokens that cannot be reversed. */
export const MAX_TOKEN_VALUE_BYTES = 56;
/** Body of those: of the length of the whole stream. */
export const STREAM_BYTES = 64;

/** `active`: tokens are made with it; exactly one. `decrypt-only`: its tokens are still taken. `expired`: they are not. */
export const TOKEN_KEY_STATES = ['active', 'decrypt-only', 'expired'] as const;
export type TokenKeyState = (typeof TOKEN_KEY_STATES)[number];

/** Of one target. */
export interface TokenKey {
  /** 1 to 8 lower-case letters and digits; part of the tokens. */
  readonly id: string;
  readonly state: TokenKeyState;
  /** 64 hexadecimal digits each. */
  readonly mac: string;
  readonly stream: string;
}

/** Why a text is not taken for a token. `one-way`: it stands for a value that is too long to be reversed. */
export type TokenFault = 'malformed' | 'forged' | 'expired' | 'one-way';
export type OpenedToken = { readonly value: string } | { readonly fault: TokenFault };
export type RenewedToken = { readonly token: string } | { readonly fault: TokenFault };

const TOKEN = /^tok_([a-z]+)_([a-z0-9]{1,8})_([0-9a-f]{80}|[0-9a-f]{144}|[0-9a-f]{160})$/;
const START = 'tok_';
const ONE_WAY_DIGITS = 2 * (TAG_BYTES + STREAM_BYTES);

/** Letters of the last part of a class name: `phi.mrn` -> `mrn`. */
export function tokenLabel(className: string): string {
  const last = className.slice(className.lastIndexOf('.') + 1).toLowerCase();
  return last.replaceAll(/[^a-z]/g, '') || 'x';
}

export const tokenPrefix = (className: string, keyId: string): string => `${START}${tokenLabel(className)}_${keyId}_`;

/** Regular expression, PostgreSQL's and ours, of the tokens that can be reversed. */
export const tokenPattern = (className: string, keyId: string): string => `^${tokenPrefix(className, keyId)}[0-9a-f]{80}([0-9a-f]{64})?$`;

/** Whoever writes such a text means a token. */
export const meansToken = (text: string): boolean => text.startsWith(START);

/** Version and variant of the UUIDs that stand for others, also among the elements of an array. They cannot be reversed. */
export const meansUuidToken = (text: string): boolean => /(?:^|,)[\s{"]*(?:[0-9a-f]{4}-?){3}8[0-9a-f]{3}-?8/i.test(text);

/** Keys of one target from the secret of the configuration. The first is the one that earlier versions had. */
export function deriveTokenKey(id: string, state: TokenKeyState, secret: string, target: string): TokenKey {
  const derive = (purpose: string): string => createHmac('sha256', secret).update(`sallyport ${purpose}\0${target}`).digest('hex');
  return { id, state, mac: derive('token key'), stream: derive('token stream key') };
}

export class TokenSpace {
  readonly #keys: ReadonlyMap<string, TokenKey>;
  readonly #active: TokenKey;

  /** @throws unless exactly one key is active and ids differ. */
  constructor(keys: readonly TokenKey[]) {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    const active = keys.filter(({ state }) => state === 'active');
    const [first] = active;
    if (first === undefined || active.length > 1 || this.#keys.size !== keys.length) throw new Error('one token key must be active');
    this.#active = first;
  }

  /** Id of the key that tokens are made with. */
  get keyId(): string {
    return this.#active.id;
  }

  /** What the target needs to make tokens, and to open those of the active key. */
  get settings(): readonly (readonly [name: string, value: string])[] {
    return [
      [TOKEN_KEY_SETTING, this.#active.mac],
      [TOKEN_STREAM_KEY_SETTING, this.#active.stream],
    ];
  }

  issue(className: string, value: string): string {
    return issueWith(this.#active, className, value);
  }

  /** Makes many tokens of one class. */
  issuer(className: string): (value: string) => string {
    return issuerOf(this.#active, className);
  }

  /** What digests of values are made with, under the active key. */
  digestPrefix(label: string): DigestPrefix {
    return digestPrefix(this.#active.mac, label);
  }

  /** The active key alone: enough to mask in another thread. */
  get activeKey(): TokenKey {
    return this.#active;
  }

  /** @returns the value, when the text is a token of this class under a key that is not expired. */
  open(className: string, text: string): OpenedToken {
    const [, label, keyId = '', digits = ''] = TOKEN.exec(text) ?? [];
    if (label === undefined) return { fault: 'malformed' };
    const key = this.#keys.get(keyId);
    if (key === undefined || label !== tokenLabel(className)) return { fault: 'forged' };
    if (key.state === 'expired') return { fault: 'expired' };
    if (digits.length === ONE_WAY_DIGITS) return { fault: 'one-way' };
    const tag = digits.slice(0, 2 * TAG_BYTES);
    const body = Buffer.from(digits.slice(2 * TAG_BYTES), 'hex');
    const bytes = xor(body, streamOf(Buffer.from(key.stream, 'hex'), tag));
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const value = Buffer.from(bytes.subarray(0, end)).toString('utf8');
    // Made anew: nothing but the very text that was issued is a token, its padding and case included.
    const again = Buffer.from(issueWith(key, className, value));
    const given = Buffer.from(text);
    return again.length === given.length && timingSafeEqual(again, given) ? { value } : { fault: 'forged' };
  }

  /** Bytes that the value behind a token has at most. */
  maxBytes(token: string): number {
    const digits = TOKEN.exec(token)?.[3]?.length ?? 0;
    return digits === ONE_WAY_DIGITS ? Number.POSITIVE_INFINITY : digits / 2 - TAG_BYTES;
  }

  /** It has the form of a token whose value is too long to be reversed. */
  isOneWay(text: string): boolean {
    return TOKEN.exec(text)?.[3]?.length === ONE_WAY_DIGITS;
  }

  /** The token that the masked column shows for the same value today. A token of a long value is given back as it is: whether
   *  it is genuine cannot be told, and it can only be compared. */
  renew(className: string, text: string): RenewedToken {
    const opened = this.open(className, text);
    if ('value' in opened) return { token: this.issue(className, opened.value) };
    return opened.fault === 'one-way' && text.startsWith(tokenPrefix(className, this.keyId)) ? { token: text } : opened;
  }
}

const issueWith = (key: TokenKey, className: string, value: string): string => issuerOf(key, className)(value);

function issuerOf(key: TokenKey, className: string): (value: string) => string {
  const digest = digestPrefix(key.mac, `token:${className}`);
  const stream = Buffer.from(key.stream, 'hex');
  const prefix = tokenPrefix(className, key.id);
  return (value) => {
    const bytes = Buffer.from(value, 'utf8');
    const tag = keyedDigest(digest, bytes).slice(0, 2 * TAG_BYTES);
    const { length } = bytes;
    const padded = length <= FIRST_BODY_BYTES ? FIRST_BODY_BYTES : length <= MAX_TOKEN_VALUE_BYTES ? MAX_TOKEN_VALUE_BYTES : STREAM_BYTES;
    const body = streamOf(stream, tag);
    const end = Math.min(length, padded);
    for (let at = 0; at < end; at += 1) body[at] = (body[at] ?? 0) ^ (bytes[at] ?? 0);
    return prefix + tag + body.toString('hex', 0, padded);
  };
}

const streamOf = (key: Uint8Array, tagHex: string): Buffer => Buffer.from(hash('sha512', keyed(key, tagHex), 'hex'), 'hex');

/** As long as `bytes`; `stream` is at least that long. */
function xor(bytes: Uint8Array, stream: Uint8Array): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte ^ (stream[index] ?? 0)));
}
