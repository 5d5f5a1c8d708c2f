// Where the hashing thread finds its code. verify.mjs is one file: there it is the file itself (verifier-build.ts); in the package
// scripts/build.ts puts the code itself here.

export const threadSource: { readonly code: string | URL; readonly isText: boolean } = {
  code: new URL('./hash-thread.ts', import.meta.url),
  isText: false,
};
