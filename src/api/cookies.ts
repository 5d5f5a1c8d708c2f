// Cookies of the console. A name that comes twice is refused: a sibling domain or a plain-HTTP page may have tossed one in, and
// browsers do not say which is whose.

import type { FastifyReply } from 'fastify';

export type CookieUse = 'session' | 'login';

const NAMES = { session: 'sallyport', login: 'sallyport-login' } as const;
const MAX_HEADER_CHARACTERS = 16 * 1024;

export class Cookies {
  readonly #isSecure: boolean;

  /** @param isSecure browsers reach the console by https */
  constructor(isSecure: boolean) {
    this.#isSecure = isSecure;
  }

  /** With the prefix, browsers take it only from this very host, by https. */
  nameOf(use: CookieUse): string {
    return this.#isSecure ? `__Host-${NAMES[use]}` : NAMES[use];
  }

  /** @param header the `Cookie` header. @returns null = not there; `twice` = nobody can say which is ours */
  read(header: string | undefined, use: CookieUse): { readonly value: string } | 'twice' | null {
    if (header === undefined) return null;
    if (header.length > MAX_HEADER_CHARACTERS) return 'twice';
    const prefix = `${this.nameOf(use)}=`;
    const found = header
      .split(';')
      .map((pair) => pair.trim())
      .filter((pair) => pair.startsWith(prefix));
    const [only] = found;
    if (only === undefined) return null;
    return found.length === 1 ? { value: only.slice(prefix.length) } : 'twice';
  }

  /** @param maxAgeS 0 removes it. The log-in's cookie must come along when the identity provider sends the browser back: Lax. */
  write(reply: FastifyReply, use: CookieUse, value: string, maxAgeS: number): void {
    void reply.setCookie(this.nameOf(use), value, {
      path: '/',
      httpOnly: true,
      secure: this.#isSecure,
      sameSite: use === 'session' ? 'strict' : 'lax',
      maxAge: Math.max(0, Math.floor(maxAgeS)),
    });
  }

  clear(reply: FastifyReply, use: CookieUse): void {
    this.write(reply, use, '', 0);
  }
}
