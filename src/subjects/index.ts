// The subject index: keyed digests of whose data requests touched, outside of the log (docs/subjects.md).

export { columnsAt, type Epoch, noteEpoch, readEpochs, type SubjectNames, tokensMadeAt } from './epochs.ts';
export { keysOnDisk, SubjectKey } from './keys.ts';
export { dropOldFiles } from './retention.ts';
export { readVerdicts, type Verdicts } from './verdicts.ts';
export { SubjectWriter } from './writer.ts';
