// What a worker thread runs: the program itself, which sees by its `workerData` what it is. In the bundle that is the one file
// there is (scripts/build.ts).

export const workerSource = new URL('./main.ts', import.meta.url);
