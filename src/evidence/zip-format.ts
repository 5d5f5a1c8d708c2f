// The parts of the ZIP format that bundles use. SPEC: PKWARE APPNOTE 6.3.10; sizes over 4 GiB and more than 65,535 files by ZIP64.

export const LOCAL_HEADER = 0x04034b50;
export const CENTRAL_HEADER = 0x02014b50;
export const END_RECORD = 0x06054b50;
export const END_RECORD_64 = 0x06064b50;
export const END_LOCATOR_64 = 0x07064b50;

export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;
export const END_64_BYTES = 56;
export const LOCATOR_BYTES = 20;

export const MAX_32 = 0xffff_ffff;
export const MAX_16 = 0xffff;
export const EXTRA_64 = 0x0001;
