// The state of one gateway, as the root composes it.

export { lockDataDirectory, type DataDirectoryLock } from './data-directory.ts';
export { openStore, type Store } from './open-store.ts';
export { openPolicyArchive } from './policy-archive.ts';
