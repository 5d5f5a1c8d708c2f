// Log-in of a person with a browser, at an identity provider: what the console and adapters need of it, and `identity` has.

export interface BrowserLogin {
  readonly providers: readonly { readonly name: string; readonly label: string }[];
  /** @param to.hint whom the provider should log in
   *  @returns where the browser goes, and what has to be brought back to `finish`
   *  @throws SP_API_NOT_FOUND for an unknown provider, SP_AUTH_UNAVAILABLE */
  begin(
    provider: string,
    to: { readonly redirectUri: string; readonly returnTo: string; readonly hint: string | null },
  ): Promise<{ readonly url: string; readonly transaction: string }>;
  /** @param back.provider whose `redirectUri` the browser came back to: one that was begun with another is refused
   *  @param back.query of that request, with `?`
   *  @throws SP_AUTH_INVALID_TOKEN, SP_AUTH_UNAVAILABLE, SP_API_RATE_LIMITED */
  finish(
    transaction: string,
    back: { readonly provider: string; readonly redirectUri: string; readonly query: string },
  ): Promise<{ readonly token: string; readonly returnTo: string }>;
}
