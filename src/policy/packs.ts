// Packs that ship with the product. A pack is an ordinary policy file in `packs/`; reading it is the caller's business.

export const PACK_NAMES = ['hipaa-agents', 'read-only', 'change-control'] as const;

/** Text of a pack, or undefined when there is none of that name. */
export type PackLookup = (name: string) => string | undefined;
