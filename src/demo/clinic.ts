// The synthetic clinic of the demo and of tests: 10,000 patients with all 18 Safe Harbor identifiers, their encounters,
// diagnoses and laboratory results. The same data on every machine: each row is a function of its number, so rows need no
// order and no clock. Social security numbers are 9xx (never issued), phone numbers 555-01xx, mail and web addresses
// under example.com, IP addresses from the documentation nets, vehicle numbers of a maker that does not exist.

import {
  complaints,
  diagnosisCodes,
  encounterKinds,
  familyNames,
  givenNames,
  implantModels,
  labTests,
  payers,
  places,
  plans,
  sites,
  specialties,
  streetKinds,
  streets,
} from './clinic-words.ts';

export { clinicClasses, clinicIndexSql, clinicSchemaSql } from './clinic-schema.ts';

type Cell = string | null;

export interface ClinicTable {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly Cell[]>;
}

const patientCount = 10_000;
const clinicianCount = 120;
const encounterCount = 30_000;

/** Numbers that depend on a table and a row only (splitmix32). */
class Dice {
  #state: number;

  constructor(table: number, row: number) {
    this.#state = Math.imul(table + 1, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b);
    this.below(1);
  }

  /** Integer in [0, limit). */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % limit;
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  of<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)];
    if (chosen === undefined) throw new RangeError('empty list');
    return chosen;
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => String(this.below(10))).join('');
  }

  letters(count: number): string {
    return Array.from({ length: count }, () => 'ABCDEFGHJKLMNPRSTUVWXYZ'.charAt(this.below(23))).join('');
  }

  hex(count: number): string {
    return Array.from({ length: count }, () => this.below(16).toString(16)).join('');
  }
}

const dayMs = 86_400_000;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const firstVisitMs = Date.UTC(2023, 0, 2);
const visitDays = 1094;

interface Patient {
  readonly id: number;
  readonly clinic: number;
  readonly name: string;
  readonly phone: string;
  readonly bornMs: number;
  readonly cells: readonly Cell[];
}

function patient(row: number): Patient {
  const dice = new Dice(0, row);
  const id = row + 1;
  const given = dice.of(givenNames);
  const family = dice.of(familyNames);
  const name = `${given} ${family}`;
  // One in forty is over 89, so that age-90 has something to do.
  const ageDays = dice.below(40) === 0 ? dice.between(32_900, 37_500) : dice.between(30, 32_800);
  const bornMs = Date.UTC(2026, 0, 1) - ageDays * dayMs;
  const clinic = dice.below(sites.length);
  const home = dice.below(3) === 0 ? dice.of(places) : (places[sites[clinic]?.place ?? 0] ?? dice.of(places));
  const phone = `(${home.areaCode}) 555-01${dice.digits(2)}`;
  // Multiplying by a number coprime to the range keeps every identifier unique.
  const serial = (id * 7_654_321) % 9_999_991;
  const social = (id * 1_234_577) % 40_000_000;
  const ssn = `9${pad(Math.floor(social / 400_000), 2)}-${pad(10 + (Math.floor(social / 10_000) % 40), 2)}-${pad(social % 10_000, 4)}`;
  const cells = [
    String(id),
    `MRN${pad(serial, 7)}${'KXQZHT'.charAt(serial % 6)}`,
    name,
    dice.below(2) === 0 ? 'F' : 'M',
    day(bornMs),
    ssn,
    phone,
    dice.below(5) === 0 ? `(${home.areaCode}) 555-01${dice.digits(2)}` : null,
    dice.below(12) === 0 ? null : `${given}.${family}${id}@example.com`.toLowerCase(),
    `${dice.between(1, 9899)} ${dice.of(streets)} ${dice.of(streetKinds)}`,
    home.city,
    home.state,
    `${home.zip3}${dice.digits(2)}`,
    String(clinic + 1),
    String(dice.between(1, clinicianCount)),
    dice.below(25) === 0 ? 'f' : 't',
  ];
  return { id, clinic: clinic + 1, name, phone, bornMs, cells };
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function coverage(row: number): readonly Cell[] {
  const dice = new Dice(1, row);
  const payer = dice.of(payers);
  const insured = payer !== 'Self pay';
  return [
    String(row + 1),
    payer,
    insured ? dice.of(plans) : null,
    insured ? `${dice.letters(3)}${dice.digits(9)}` : null,
    `AC${dice.digits(10)}`,
  ];
}

function identity(row: number): readonly Cell[] {
  const dice = new Dice(2, row);
  const net = dice.of(['192.0.2', '198.51.100', '203.0.113']);
  const hex = dice.hex(32);
  return [
    String(row + 1),
    [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-'),
    dice.below(10) === 0 ? null : `${dice.letters(1)}${dice.digits(7)}`,
    dice.below(4) === 0 ? null : `${dice.letters(3)}-${dice.digits(4)}`,
    dice.below(4) === 0 ? null : `ZZZ${dice.letters(5)}${dice.digits(9)}`,
    `https://portal.example.com/p/${dice.hex(12)}`,
    `${net}.${dice.between(1, 254)}`,
    `\\x${dice.hex(32)}`,
    dice.below(3) === 0 ? `vp-${dice.hex(16)}` : null,
    `s3://clinic-media.example.com/faces/${dice.hex(16)}.jpg`,
  ];
}

function implant(row: number): readonly Cell[] {
  const dice = new Dice(3, row);
  const implantedMs = Date.UTC(2012, 0, 1) + dice.below(4_900) * dayMs;
  return [
    String(row + 1),
    String(dice.between(1, patientCount)),
    dice.of(implantModels),
    `${dice.letters(2)}${dice.digits(8)}`,
    day(implantedMs),
  ];
}

interface Encounter {
  readonly startMs: number;
  readonly cells: readonly Cell[];
}

function encounter(row: number): Encounter {
  const dice = new Dice(4, row);
  // Everybody comes once; who comes again is chance.
  const who = patient(row < patientCount ? row : dice.below(patientCount));
  const earliestMs = Math.max(firstVisitMs, who.bornMs + 20 * dayMs);
  const days = Math.max(1, Math.floor((firstVisitMs + visitDays * dayMs - earliestMs) / dayMs));
  const startMs = earliestMs + dice.below(days) * dayMs + dice.between(7 * 60, 19 * 60) * 60_000;
  const kind = dice.of(encounterKinds);
  const minutes =
    kind === 'inpatient'
      ? dice.between(1, 9) * 1440 + dice.below(720)
      : kind === 'telehealth'
        ? dice.between(8, 35)
        : dice.between(12, 180);
  const cents =
    kind === 'inpatient'
      ? dice.between(240_000, 4_800_000)
      : kind === 'emergency'
        ? dice.between(60_000, 420_000)
        : dice.between(8_000, 64_000);
  const age = Math.floor((startMs - who.bornMs) / (365.25 * dayMs));
  const complaint = dice.of(complaints);
  const reason =
    dice.below(3) === 0
      ? `${who.name} reports ${complaint}; call back at ${who.phone}`
      : `Reports ${complaint} since ${dice.between(1, 21)} days`;
  const cells = [
    String(row + 1),
    String(who.id),
    String(dice.below(10) === 0 ? dice.between(1, sites.length) : who.clinic),
    String(dice.between(1, clinicianCount)),
    kind,
    new Date(startMs).toISOString(),
    String(minutes),
    (cents / 100).toFixed(2),
    String(age),
    reason,
  ];
  return { startMs, cells };
}

function* range<T>(count: number, make: (row: number) => T): Generator<T> {
  for (let row = 0; row < count; row += 1) yield make(row);
}

/** One to two per encounter. */
function* diagnoses(): Generator<readonly Cell[]> {
  let id = 0;
  for (let row = 0; row < encounterCount; row += 1) {
    const dice = new Dice(5, row);
    const first = dice.below(diagnosisCodes.length);
    const chosen = dice.below(3) === 0 ? [first, (first + dice.between(1, 9)) % diagnosisCodes.length] : [first];
    for (const [rank, index] of chosen.entries()) {
      const [code = '', label = ''] = diagnosisCodes[index] ?? [];
      id += 1;
      yield [String(id), String(row + 1), code, label, String(rank + 1)];
    }
  }
}

/** None to four per encounter. */
function* labResults(): Generator<readonly Cell[]> {
  let id = 0;
  for (let row = 0; row < encounterCount; row += 1) {
    const dice = new Dice(6, row);
    const count = Math.max(0, dice.below(7) - 2);
    if (count === 0) continue;
    const { startMs } = encounter(row);
    const start = dice.below(labTests.length);
    for (let offset = 0; offset < count; offset += 1) {
      const test = labTests[(start + offset) % labTests.length];
      if (test === undefined) continue;
      // The sum of four dice is close enough to a bell curve.
      const bell = (dice.below(1000) + dice.below(1000) + dice.below(1000) + dice.below(1000) - 1998) / 577;
      const value = Math.max(0.01, test.mean + bell * test.spread);
      id += 1;
      yield [
        String(id),
        String(row + 1),
        test.loinc,
        test.name,
        value.toFixed(2),
        test.unit,
        new Date(startMs + dice.between(5, 90) * 60_000).toISOString(),
      ];
    }
  }
}

/** All tables in an order that foreign keys allow. Rows are made while they are read, the same each time. */
export function clinicTables(): readonly ClinicTable[] {
  const table = (name: string, columns: string, rows: () => Iterable<readonly Cell[]>): ClinicTable => ({
    table: name,
    columns: columns.split(' '),
    rows: { [Symbol.iterator]: () => rows()[Symbol.iterator]() },
  });
  return [
    table('clinics', 'id name region city state beds opened_on', () =>
      sites.map(({ name, region, place, beds, openedOn }, row) => {
        const at = places[place];
        return [String(row + 1), name, region, at?.city ?? '', at?.state ?? '', String(beds), openedOn];
      }),
    ),
    table('clinicians', 'id clinic_id name specialty npi', () =>
      range(clinicianCount, (row) => {
        const dice = new Dice(7, row);
        return [
          String(row + 1),
          String((row % sites.length) + 1),
          `Dr. ${dice.of(givenNames)} ${dice.of(familyNames)}`,
          dice.of(specialties),
          `0${dice.digits(9)}`,
        ];
      }),
    ),
    table('patients', 'id mrn name sex dob ssn phone fax email address city state zip clinic_id clinician_id active', () =>
      range(patientCount, (row) => patient(row).cells),
    ),
    table('coverage', 'patient_id payer plan member_number account_number', () => range(patientCount, coverage)),
    table(
      'patient_identity',
      'patient_id external_patient_id drivers_license license_plate vin profile_url last_ip fingerprint voice_print photo_ref',
      () => range(patientCount, identity),
    ),
    table('implants', 'id patient_id model device_serial implanted_on', () => range(1_200, implant)),
    table('encounters', 'id patient_id clinic_id clinician_id kind admitted_at minutes cost age_at_visit reason', () =>
      range(encounterCount, (row) => encounter(row).cells),
    ),
    table('diagnoses', 'id encounter_id icd10 label rank', diagnoses),
    table('lab_results', 'id encounter_id loinc test value unit collected_at', labResults),
  ];
}

const rowsPerInsert = 2_000;

/** The data as INSERT statements, for any client: run them between `clinicSchemaSql` and `clinicIndexSql`. */
export function* clinicLoadSql(): Generator<string> {
  for (const { table, columns, rows } of clinicTables()) {
    const head = `INSERT INTO public.${table} (${columns.join(', ')}) VALUES\n`;
    let batch: string[] = [];
    for (const cells of rows) {
      batch.push(`(${cells.map(literal).join(',')})`);
      if (batch.length < rowsPerInsert) continue;
      yield head + batch.join(',\n');
      batch = [];
    }
    if (batch.length > 0) yield head + batch.join(',\n');
  }
}

const literal = (cell: Cell): string => (cell === null ? 'NULL' : `'${cell.replaceAll("'", "''")}'`);
