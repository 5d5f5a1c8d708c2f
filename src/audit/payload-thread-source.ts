// Where the thread that checks payloads finds its code. In the bundle there is no such file: scripts/build.ts puts the code itself here.

export const threadSource: { readonly code: string | URL; readonly isText: boolean } = {
  code: new URL('./payload-thread.ts', import.meta.url),
  isText: false,
};
