// The thread that hashes the files of a bundle on disk while another one looks at its log (hash-aside.ts). A programme of its own.

import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { serveHashing } from './hash-serving.ts';

if (!isMainThread && parentPort !== null) await serveHashing(parentPort, workerData);
