// Labelled columns: names as they are in OpenEMR, OpenMRS, OMOP, Synthea, MIMIC-IV, Epic Clarity, CMS claims and ordinary application
// schemas, with made-up values of the form that such columns hold. `label` is the class a reviewer gave; null = nothing to protect
// under the Safe Harbor list.

import type { ColumnKind } from '../../src/recognisers/index.ts';

export interface LabelledColumn {
  readonly relation: string;
  readonly name: string;
  readonly kind: ColumnKind;
  readonly label: string | null;
  /** 200 made-up values; null = content tells nothing here (dates, images). */
  readonly values: readonly string[] | null;
}

/** The same numbers in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
}

type Random = ReturnType<typeof seeded>;
const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)] as T;
const digits = (random: Random, count: number): string => Array.from({ length: count }, () => random(10)).join('');
const pad = (value: number, width: number): string => String(value).padStart(width, '0');

const first = 'Ann Maria James Robert Patricia Linda David Nathalie Wei Fatima Olga Kwame Juan Ines Tom Sarah Michael Grace Zoe Ravi'.split(
  ' ',
);
const last =
  "Smith Johnson Nguyen Garcia O'Brien Kowalski Okafor Müller Haddad Silva Chen Patel Ivanova Brown Jones Davis Quackenbush".split(' ');
const streets = 'Oak Maple Main Elm Washington Lake Hill Cedar Park'.split(' ');
const kindsOfStreet = 'St Ave Rd Blvd Ln Dr Street Court'.split(' ');
const words =
  'alpha report normal result ward stable routine follow pain denies patient review chart imaging mild chronic acute left right'.split(' ');

function luhn(prefix: string, partial: string): string {
  for (let check = 0; check < 10; check += 1) {
    let sum = 0;
    const all = `${prefix}${partial}${check}`;
    for (let index = 0; index < all.length; index += 1) {
      let digit = Number(all[all.length - 1 - index]);
      if (index % 2 === 1) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
      sum += digit;
    }
    if (sum % 10 === 0) return `${partial}${check}`;
  }
  throw new Error('no check digit');
}

const date = (random: Random, from: number, to: number): string =>
  `${from + random(to - from)}-${pad(1 + random(12), 2)}-${pad(1 + random(28), 2)}`;
const letters = 'ACDEFGHJKMNPQRTUVWXY';

export const VALUES = {
  ssn: (r: Random) => `${pad(100 + r(500), 3)}-${pad(10 + r(80), 2)}-${pad(1 + r(9998), 4)}`,
  plainSsn: (r: Random) => `${pad(100 + r(500), 3)}${pad(10 + r(80), 2)}${pad(1 + r(9998), 4)}`,
  npi: (r: Random) => luhn('80840', `1${digits(r, 8)}`),
  mbi: (r: Random) =>
    `${1 + r(9)}${pick(r, [...letters])}${r(10)}${r(10)}${pick(r, [...letters])}${r(10)}${r(10)}${pick(r, [...letters])}${pick(r, [...letters])}${r(10)}${r(10)}`,
  card: (r: Random) => luhn('', `4${digits(r, 14)}`),
  email: (r: Random) => `${pick(r, first).toLowerCase()}.${r(1000)}@example.org`,
  phone: (r: Random) =>
    pick(r, [`(${201 + r(700)}) 555-${digits(r, 4)}`, `${201 + r(700)}-555-${digits(r, 4)}`]).replace(/555/, String(200 + r(700))),
  plainPhone: (r: Random) => `${201 + r(700)}${200 + r(700)}${digits(r, 4)}`,
  fullName: (r: Random) => `${pick(r, first)} ${pick(r, last)}`,
  firstName: (r: Random) => pick(r, first),
  lastName: (r: Random) => pick(r, last),
  address: (r: Random) => `${1 + r(9999)} ${pick(r, streets)} ${pick(r, kindsOfStreet)}`,
  city: (r: Random) => pick(r, ['Boston', 'Springfield', 'Worcester', 'Quincy', 'Lowell']),
  zip: (r: Random) => pad(1001 + r(98_000), 5),
  zip4: (r: Random) => `${pad(1001 + r(98_000), 5)}-${digits(r, 4)}`,
  date: (r: Random) => date(r, 1930, 2025),
  usDate: (r: Random) => `${1 + r(12)}/${1 + r(28)}/${1930 + r(95)}`,
  timestamp: (r: Random) => `${date(r, 2020, 2026)} ${pad(r(24), 2)}:${pad(r(60), 2)}:00`,
  age: (r: Random) => String(r(100)),
  mrn: (r: Random) => `MRN${digits(r, 7)}`,
  number: (r: Random) => String(r(1_000_000)),
  smallNumber: (r: Random) => String(r(50)),
  decimal: (r: Random) => `${r(500)}.${digits(r, 2)}`,
  nineDigits: (r: Random) => `${1 + r(9)}${digits(r, 8)}`,
  tenDigits: (r: Random) => `7${digits(r, 9)}`,
  ip: (r: Random) => `10.${r(256)}.${r(256)}.${r(256)}`,
  version: (r: Random) => `${r(9)}.${r(20)}.${r(20)}`,
  url: (r: Random) => `https://people.example.org/${r(10_000)}`,
  mac: () => '00:1b:44:11:3a:b7',
  vin: () => '1HGCM82633A004352',
  text: (r: Random) => Array.from({ length: 12 + r(20) }, () => pick(r, words)).join(' '),
  code: (r: Random) => `${pick(r, [...'ABCDEFGH'])}${digits(r, 2)}.${r(10)}`,
  loinc: (r: Random) => `${1000 + r(80_000)}-${r(10)}`,
  status: (r: Random) => pick(r, ['active', 'closed', 'pending', 'error']),
  state: (r: Random) => pick(r, ['MA', 'NY', 'CA', 'TX']),
  gender: (r: Random) => pick(r, ['M', 'F', 'U']),
  drug: (r: Random) => pick(r, ['Metformin 500 mg', 'Lisinopril', 'Amoxicillin', 'Atorvastatin 20 mg']),
  title: (r: Random) => pick(r, ['Basic metabolic panel', 'Chest X-ray', 'Complete blood count', 'Office visit']),
  department: (r: Random) => pick(r, ['Cardiology', 'Oncology', 'Emergency', 'Radiology']),
  uuid: (r: Random) => `${digits(r, 8)}-${digits(r, 4)}-4${digits(r, 3)}-8${digits(r, 3)}-${digits(r, 12)}`,
  hash: (r: Random) => digits(r, 40),
  license: (r: Random) => `S${digits(r, 8)}`,
  handle: (r: Random) => `${pick(r, first).toLowerCase()}${r(100)}`,
  file: (r: Random) => `scan_${r(1000)}.pdf`,
  hex: (r: Random) => digits(r, 16),
} as const satisfies Record<string, (random: Random) => string>;

type ValuesName = keyof typeof VALUES;

/** relation, name, kind, label or -, values or -. */
const LIST = `
patient_data fname text phi.name firstName
patient_data lname text phi.name lastName
patient_data mname text phi.name firstName
patient_data DOB date phi.birth-date -
patient_data street text phi.address address
patient_data postal_code text phi.zip zip
patient_data city text phi.address city
patient_data ss text phi.ssn ssn
patient_data phone_home text phi.phone phone
patient_data phone_biz text phi.phone phone
patient_data phone_cell text phi.phone phone
patient_data email text phi.email email
patient_data email_direct text phi.email email
patient_data drivers_license text phi.license license
patient_data contact_relationship text - status
patient_data mothersname text phi.name fullName
patient_data guardiansname text phi.name fullName
patient_data pubpid text phi.mrn mrn
patient_data sex text - gender
patient_data status text - status
patient_data ethnicity text - status
patient_data language text - status
patient_data financial text - status
patient_data hipaa_mail text - status
insurance_data subscriber_lname text phi.name lastName
insurance_data subscriber_fname text phi.name firstName
insurance_data subscriber_ss text phi.ssn ssn
insurance_data subscriber_DOB date phi.birth-date -
insurance_data subscriber_street text phi.address address
insurance_data policy_number text phi.health-plan mrn
insurance_data group_number text phi.health-plan number
insurance_data plan_name text - title
insurance_data copay text - decimal
form_encounter reason text - text
form_encounter facility text - department
form_encounter encounter number - number
person_name given_name text phi.name firstName
person_name family_name text phi.name lastName
person_name middle_name text phi.name firstName
person_name prefix text - state
person_name degree text - state
person_address address1 text phi.address address
person_address address2 text phi.address address
person_address city_village text phi.address city
person_address postal_code text phi.zip zip
person_address latitude text phi.address decimal
person_address longitude text phi.address decimal
person_address country text - state
person birthdate date phi.birth-date -
person birthdate_estimated number - smallNumber
person death_date date phi.date -
person gender text - gender
person dead number - smallNumber
patient_identifier identifier text phi.mrn mrn
patient_identifier identifier_type number - smallNumber
users username text - handle
users password text - hash
users salt text - hash
users secret_question text - text
encounter encounter_datetime date phi.date -
encounter date_created date - -
encounter date_changed date - -
encounter voided number - smallNumber
obs value_numeric number - decimal
obs value_text text - status
obs comments text phi.text text
obs concept_id number - number
person year_of_birth number - number
person birth_datetime date phi.birth-date -
person race_concept_id number - number
person gender_source_value text - gender
location address_1 text phi.address address
location zip text phi.zip zip
location state text - state
location location_source_value text - number
provider provider_name text phi.name fullName
provider npi text phi.license npi
provider dea text phi.license license
provider specialty_concept_id number - number
visit_occurrence visit_start_date date phi.date -
visit_occurrence visit_end_date date phi.date -
visit_occurrence visit_type_concept_id number - number
note note_text text phi.text text
note note_title text - title
note note_date date - -
drug_exposure quantity number - decimal
drug_exposure days_supply number - smallNumber
drug_exposure sig text - text
drug_exposure lot_number text - number
concept concept_name text - title
concept concept_code text - code
concept vocabulary_id text - status
concept valid_start_date date - -
patients BIRTHDATE date phi.birth-date -
patients DEATHDATE date phi.date -
patients SSN text phi.ssn ssn
patients DRIVERS text phi.license license
patients PASSPORT text phi.license license
patients FIRST text phi.name firstName
patients LAST text phi.name lastName
patients MAIDEN text phi.name lastName
patients SUFFIX text - state
patients MARITAL text - gender
patients RACE text - status
patients BIRTHPLACE text phi.address city
patients ADDRESS text phi.address address
patients CITY text phi.address city
patients STATE text - state
patients COUNTY text phi.address city
patients ZIP text phi.zip zip
patients HEALTHCARE_EXPENSES number - decimal
patients INCOME number - number
payers NAME text - title
organizations NAME text - department
organizations PHONE text phi.phone phone
providers NAME text phi.name fullName
providers SPECIALITY text - department
allergies DESCRIPTION text - title
conditions CODE text - code
claims DIAGNOSIS1 text - code
claims OUTSTANDING1 number - decimal
devices UDI text phi.device hex
patients subject_id number phi.other-id number
patients anchor_age number phi.age age
patients anchor_year_group text - date
patients dod date phi.date -
admissions admittime date phi.date -
admissions dischtime date phi.date -
admissions deathtime date phi.date -
admissions admission_type text - status
admissions insurance text - status
admissions hospital_expire_flag number - smallNumber
labevents charttime date phi.date -
labevents valuenum number - decimal
labevents valueuom text - status
labevents comments text phi.text text
labevents specimen_id number phi.other-id number
d_labitems label text - title
d_labitems loinc_code text - loinc
icustays los number - decimal
PATIENT PAT_NAME text phi.name fullName
PATIENT PAT_MRN_ID text phi.mrn mrn
PATIENT BIRTH_DATE date phi.birth-date -
PATIENT ADD_LINE_1 text phi.address address
PATIENT ADD_LINE_2 text phi.address address
PATIENT HOME_PHONE text phi.phone phone
PATIENT WORK_PHONE text phi.phone phone
PATIENT EMAIL_ADDRESS text phi.email email
PATIENT ZIP text phi.zip zip4
PATIENT SEX_C number - smallNumber
PATIENT PAT_STATUS_C number - smallNumber
PATIENT CUR_PCP_PROV_ID text - number
PATIENT MOTHER_NAME text phi.name fullName
PAT_ENC CONTACT_DATE date phi.date -
PAT_ENC HOSP_ADMSN_TIME date phi.date -
PAT_ENC APPT_TIME date phi.date -
PAT_ENC ENC_TYPE_C number - smallNumber
PAT_ENC BP_SYSTOLIC number - smallNumber
PAT_ENC WEIGHT number - decimal
HSP_ACCOUNT HSP_ACCOUNT_NAME text phi.name fullName
HSP_ACCOUNT GUAR_ACCT_NUM text phi.account number
HSP_ACCOUNT TOT_CHGS number - decimal
inpatient_claims BENE_ID text phi.health-plan number
inpatient_claims CLM_ID text phi.other-id number
inpatient_claims CLM_FROM_DT date phi.date -
inpatient_claims CLM_PMT_AMT number - decimal
inpatient_claims PRVDR_NUM text - number
inpatient_claims AT_PHYSN_NPI text phi.license npi
inpatient_claims ICD_DGNS_CD1 text - code
customers display_name text phi.name fullName
customers pt_ssn_nbr text phi.ssn plainSsn
customers contact_phone text phi.phone plainPhone
customers phone_type text - status
customers email_verified text - status
customers ip_address text phi.ip ip
customers last_login_ip text phi.ip ip
customers profile_url text phi.url url
customers avatar binary phi.photo -
customers fingerprint_template binary phi.biometric -
customers note text phi.text text
customers balance number - decimal
customers created_at date - -
customers updated_at date - -
customers plan text - status
customers locale text - state
payments card_number text phi.account card
payments iban text phi.account number
payments amount number - decimal
payments currency text - state
payments card_brand text - status
payments reference text - uuid
fleet vin text phi.vehicle vin
fleet license_plate text phi.vehicle license
fleet mileage number - number
monitors serial_number text phi.device number
monitors mac_address text phi.device mac
monitors model text - title
monitors firmware_version text - version
referrals fax_number text phi.fax phone
referrals referring_physician_name text phi.name fullName
referrals priority text - status
misc col_a text phi.ssn ssn
misc col_b text phi.email email
misc col_c text phi.phone phone
misc col_d text phi.health-plan mbi
misc col_e text phi.account card
misc col_f text phi.address address
misc col_g text phi.name fullName
misc col_h text phi.license npi
misc col_i text phi.ip ip
misc col_j text phi.zip zip4
misc col_k text - nineDigits
misc col_l text - tenDigits
misc col_m text - version
misc col_n text - number
misc col_o text - uuid
misc col_p text - text
misc col_q text - title
misc col_r text - department
misc col_s text - drug
misc col_t text - loinc
misc col_u text - code
misc col_v number - nineDigits
misc col_w text - timestamp
products name text - title
products sku text - nineDigits
products description text - text
products image_url text - url
products price number - decimal
drugs name text - drug
drugs ndc text - tenDigits
departments name text - department
departments phone_extension text - smallNumber
departments email_template text - title
rooms name text - department
jobs name text - status
jobs host_name text - file
jobs user_agent text - title
jobs memory_address text - hex
jobs started_at date - -
settings key text - status
settings value text - text
settings age_group text - status
settings max_age number - smallNumber
settings callback_url text - url
audit action text - status
audit message text - text
audit row_count number - number
files file_name text - file
files content_type text - status
files sha256 text - hash
files image_width number - number
schema_migrations version text - nineDigits
schema_migrations name text - title
orders order_number text - nineDigits
orders tracking_code text - tenDigits
orders ordered_at date - -
orders status text - status
lab_results specimen_collected_at date phi.date -
lab_results result_text text - status
lab_results abnormal_flag text - status
lab_results reference_range text - status
lab_results accession_number text phi.other-id number
immunizations immunization_date date phi.date -
immunizations vaccine_name text - drug
prescriptions rx_number text phi.other-id number
prescriptions prescriber_npi text phi.license npi
prescriptions refills number - smallNumber
appointments appointment_date date phi.date -
appointments slot text - status
appointments reason_code text - code
`;

/** The recognisers were never changed for these: DICOM, FHIR tables, an HR and a billing schema. */
const HELD_OUT_LIST = `
dicom_study PatientName text phi.name fullName
dicom_study PatientID text phi.mrn mrn
dicom_study PatientBirthDate date phi.birth-date -
dicom_study PatientSex text - gender
dicom_study PatientAge text phi.age age
dicom_study PatientAddress text phi.address address
dicom_study StudyDate date phi.date -
dicom_study AccessionNumber text phi.other-id number
dicom_study InstitutionName text - department
dicom_study ReferringPhysicianName text phi.name fullName
dicom_study Modality text - state
dicom_study SeriesDescription text - title
dicom_study DeviceSerialNumber text phi.device number
dicom_study StudyInstanceUID text phi.other-id number
dicom_study Rows number - number
fhir_patient name_family text phi.name lastName
fhir_patient name_given text phi.name firstName
fhir_patient telecom_value text phi.phone phone
fhir_patient birthDate date phi.birth-date -
fhir_patient deceasedDateTime date phi.date -
fhir_patient address_postalCode text phi.zip zip
fhir_patient address_line text phi.address address
fhir_patient identifier_value text phi.mrn mrn
fhir_patient active text - status
fhir_patient maritalStatus text - gender
fhir_observation effectiveDateTime date phi.date -
fhir_observation valueQuantity number - decimal
fhir_observation code_text text - title
fhir_medication medicationCodeableConcept_text text - drug
hr_employee EmpFirstNm text phi.name firstName
hr_employee EmpLastNm text phi.name lastName
hr_employee NatlInsNo text phi.ssn ssn
hr_employee HireDt date phi.date -
hr_employee JobTitle text - title
hr_employee WorkEmail text phi.email email
hr_employee CellNo text phi.phone phone
hr_employee CostCenter text - number
hr_employee Photo binary phi.photo -
billing_invoice bill_to_name text phi.name fullName
billing_invoice bill_to_zip text phi.zip zip
billing_invoice ccn text phi.account card
billing_invoice subtotal number - decimal
billing_invoice tax_rate number - decimal
billing_invoice invoice_no text - nineDigits
billing_invoice due_date date - -
billing_invoice memo text phi.text text
telehealth_session join_url text phi.url url
telehealth_session client_ip text phi.ip ip
telehealth_session duration_s number - number
telehealth_session codec text - status
`;

export const CORPUS = columnsOf(LIST);
export const HELD_OUT = columnsOf(HELD_OUT_LIST);

function columnsOf(list: string): readonly LabelledColumn[] {
  return list
    .trim()
    .split('\n')
    .map((line, index) => {
      const [relation = '', name = '', kind = '', label = '', values = ''] = line.split(' ');
      const random = seeded(index + 1);
      const make = values === '-' ? null : VALUES[values as ValuesName];
      return {
        relation,
        name,
        kind: kind as ColumnKind,
        label: label === '-' ? null : label,
        values: make === null ? null : Array.from({ length: 200 }, () => make(random)),
      };
    });
}
