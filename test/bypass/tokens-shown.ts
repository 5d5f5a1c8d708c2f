// Tokens that a client was shown, for what it sends next. In the steps of a case `@token1` is the first token it has seen, and
// `@altered1` is the same with another byte in its body: text that was never issued. `@bytea1` is that as input of a bytea.

import type { Step } from './cases.ts';
import type { Message } from './client.ts';

const TOKEN = /tok_[a-z]+_[a-z0-9]{1,8}_(?:[0-9a-f]{160}|[0-9a-f]{144}|[0-9a-f]{80})/g;
const PLACE = /@(token|altered|bytea)(\d+)/g;

export const usesTokens = (steps: readonly Step[]): boolean => JSON.stringify(steps).search(PLACE) >= 0;

export class ShownTokens {
  readonly #shown = new Set<string>();

  note(messages: readonly Message[]): void {
    for (const { type, body } of messages) {
      if (type === 'D' || type === 'd') for (const token of body.toString('latin1').match(TOKEN) ?? []) this.#shown.add(token);
    }
  }

  /** @throws Error when so many tokens were not shown */
  fill<T extends Step>(step: T): T {
    const text = JSON.stringify(step);
    if (text.search(PLACE) < 0) return step;
    const filled = text.replaceAll(PLACE, (_, form: string, number: string) => {
      const token = [...this.#shown][Number(number) - 1];
      if (token === undefined) throw new Error(`the client was not shown ${number} tokens`);
      if (form === 'token') return token;
      const text = altered(token);
      return form === 'altered' ? text : `\\\\x${Buffer.from(text).toString('hex')}`;
    });
    return JSON.parse(filled) as T;
  }
}

/** Its first byte behind the tag: with a stream cipher alone, that of the value. */
function altered(token: string): string {
  const at = token.lastIndexOf('_') + 1 + 32;
  return token.slice(0, at) + (parseInt(token.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, '0') + token.slice(at + 2);
}
