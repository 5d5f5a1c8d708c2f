// What the API needs to let a browser in: log-in by redirect, and what a cookie stands for. `identity` satisfies these without
// importing this file.

import type { BrowserLogin } from '../core/browser-login.ts';
import type { Principal } from '../core/identity.ts';

/** All @throws SP_STORE_UNAVAILABLE */
export interface ConsoleSessionsSurface {
  /** @returns the cookie's value, and its end in ms since the epoch */
  open(principal: Principal): Promise<{ readonly value: string; readonly expiresAtMs: number }>;
  /** `over`: it was one; `unknown`: it never was. @param isUse false = nobody was there: it does not go on for that */
  find(
    value: string,
    isUse: boolean,
  ): Promise<
    | { readonly state: 'live'; readonly id: string; readonly principal: Principal }
    | { readonly state: 'over' }
    | { readonly state: 'unknown' }
  >;
  end(id: string): Promise<void>;
  /** @returns ends that */
  onEnd(id: string, listener: () => void): () => void;
  isOver(id: string): boolean;
}

/** Somebody of a development identity provider. */
export interface ConsolePersona {
  readonly provider: string;
  readonly name: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

export interface ConsoleSurface {
  readonly login: BrowserLogin;
  readonly sessions: ConsoleSessionsSurface;
  /** Whom a link may log in without a further question; none but in a demo. */
  readonly personas: readonly ConsolePersona[];
}
