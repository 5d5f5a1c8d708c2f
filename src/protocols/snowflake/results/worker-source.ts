// Where the threads of the pool find their code. In the bundle there is no such file: scripts/build.ts puts the code itself here.

export const threadSource: { readonly code: string | URL; readonly isText: boolean } = {
  code: new URL('./worker.ts', import.meta.url),
  isText: false,
};
