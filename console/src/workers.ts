// Workers of src/verify. Browsers that know Trusted Types start a worker only from an address that this one policy lets through.

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Name -> address; put here by console/build.ts. */
declare const WORKER_URLS: { readonly bundle: string; readonly log: string };

const factory = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
const policy = factory?.createPolicy('sallyport', {
  createScriptURL(url) {
    if (url === WORKER_URLS.bundle || url === WORKER_URLS.log) return url;
    throw new TypeError('not a worker of ours');
  },
});

export function startWorker(name: 'bundle' | 'log'): Worker {
  const url = WORKER_URLS[name];
  return new Worker(policy?.createScriptURL(url) ?? url, { name: `sallyport-${name}` });
}
