// The reviewed table: which words in the name of a column point to which class, what its values look like, and which names look alike
// and mean something else. Classes are those of the pack hipaa-agents.

import type { ColumnKind } from './columns.ts';
import type { ValueKind } from './values.ts';

export interface Row {
  readonly class: string;
  /** Parts of the name, as words joined by `_`. */
  readonly name: RegExp;
  /** Names that look alike and are not meant. */
  readonly not?: RegExp;
  readonly kinds: readonly ColumnKind[];
  /** What values look like, some or all. */
  readonly values: readonly ValueKind[];
  /** All values look like one of them: where almost none does, the name means something else. */
  readonly isComplete?: true;
  /** The name alone says too little. `persons`: the relation has to be about persons. `either`: that, or values that surely are. */
  readonly isVague?: 'persons' | 'either';
}

/** Words joined by `_`: `PtLastName` and `pt_last_name` are the same. */
const word = (alternatives: string): RegExp => new RegExp(`(?:^|_)(?:${alternatives})(?=_|$)`);
const text = ['text'] as const;
const textOrNumber = ['text', 'number'] as const;

/** In order: the first that fits counts. */
export const ROWS: readonly Row[] = [
  {
    class: 'phi.ssn',
    name: word('ssn|ssns|soc_?sec|social_?security(?:_(?:no|nbr|num|number|id))?|itin|tax_?payer_?id|tin'),
    kinds: textOrNumber,
    values: ['ssn'],
    isComplete: true,
  },
  {
    class: 'phi.email',
    name: word('e_?mail|emails|email_?addr(?:ess)?|mail_?addr(?:ess)?'),
    not: word('template|subject|status|type|count|sent|verified|opt_?(?:in|out)|enabled|flag|at'),
    kinds: text,
    values: ['email'],
    isComplete: true,
  },
  { class: 'phi.fax', name: word('fax|facsimile|fax_?(?:no|nbr|num|number)'), kinds: textOrNumber, values: ['phone'], isComplete: true },
  {
    class: 'phi.phone',
    name: word('phone|telephone|tel|mobile|cell|cellphone|landline|(?:home|work|day|evening)_?phone|phone_?(?:no|nbr|num|number)'),
    not: word('type|kind|count|verified|flag|status|counts|extension_type|tower|membrane|line|culture|block'),
    kinds: textOrNumber,
    values: ['phone'],
    isComplete: true,
  },
  {
    class: 'phi.mrn',
    name: word(
      'mrn|medical_?rec(?:ord)?(?:_?(?:no|nbr|num|number|id))?|med_?rec(?:_?(?:no|nbr|num|number))?|chart_?(?:no|nbr|num|number)|empi|mpi_?id|patient_?(?:no|nbr|num|number|identifier)',
    ),
    kinds: textOrNumber,
    values: [],
  },
  {
    class: 'phi.mrn',
    name: word('identifier|external_?id|person_?(?:no|nbr|num|number)'),
    not: word('type|system|source'),
    kinds: textOrNumber,
    values: [],
    isVague: 'persons',
  },
  {
    class: 'phi.health-plan',
    name: word(
      'mbi|hicn|hic_?num(?:ber)?|medicare_?(?:id|no|num|number|nbr)|medicaid_?(?:id|no|num|number|nbr)|subscriber_?(?:id|no|num|number|nbr)|bene(?:ficiary)?_?(?:id|no|num|number|nbr)|member_?(?:no|nbr|num|number)|insurance_?(?:id|no|num|number|nbr)|policy_?(?:holder_?id|no|nbr|num|number)|group_?(?:no|nbr|number)',
    ),
    kinds: textOrNumber,
    values: ['mbi'],
  },
  {
    class: 'phi.license',
    name: word(
      'license_?(?:no|nbr|num|number|id)?|licence_?(?:no|nbr|num|number)?|npi(?:_?(?:no|nbr|num|number))?|dea(?:_?(?:no|nbr|num|number))?|certificate_?(?:no|nbr|num|number)|drivers?(?:_?(?:license|lic|licence))?(?:_?(?:no|num|number))?|passport(?:_?(?:no|nbr|num|number))?',
    ),
    not: word('type|status|expir(?:y|es|ed|ation)|software|plan|count|text|url|state'),
    kinds: textOrNumber,
    values: ['npi', 'dea'],
  },
  {
    class: 'phi.vehicle',
    name: word('vin|vehicle_?(?:id|no|num|number|identification_?number)|license_?plate|plate_?(?:no|nbr|num|number)'),
    kinds: text,
    values: ['vin'],
  },
  {
    class: 'phi.account',
    name: word(
      'account_?(?:no|nbr|num|number)|acct_?(?:no|nbr|num|number|id)?|card_?(?:no|nbr|num|number)|credit_?card|iban|routing_?(?:no|nbr|num|number)|bank_?account|guarantor_?(?:acct|account)(?:_?(?:no|num|number))?|pan',
    ),
    not: word('type|status|balance|currency|kind|brand|exp(?:iry|iration)?|plan'),
    kinds: textOrNumber,
    values: ['card', 'iban'],
  },
  {
    class: 'phi.device',
    name: word(
      'device_?(?:id|identifier|serial(?:_?(?:no|num|number))?|sn)|udi|serial_?(?:no|nbr|num|number)|implant_?(?:id|serial(?:_?(?:no|num|number))?|no)|mac_?addr(?:ess)?|imei|imsi',
    ),
    not: word('type|model|kind|status|version'),
    kinds: textOrNumber,
    values: ['udi', 'mac'],
  },
  {
    class: 'phi.ip',
    name: word('ip|ip_?addr(?:ess)?|remote_?addr(?:ess)?|client_?(?:ip|addr(?:ess)?)|ipv4|ipv6'),
    not: word('op|flag|service|version'),
    kinds: ['text', 'ip'],
    values: ['ip'],
    isComplete: true,
  },
  {
    class: 'phi.url',
    name: word('url|uri|web_?site|home_?page|web_?address|profile_?(?:link|url)'),
    not: word('icon|logo|callback|webhook|schema|type|doc(?:s|umentation)?|help|base|template|redirect'),
    kinds: text,
    values: ['url'],
    isVague: 'persons',
  },
  {
    class: 'phi.birth-date',
    name: word('dob|birth_?(?:date|day|dt|datetime|time)|date_?of_?birth|born(?:_?(?:on|at))?|bday|birthdate'),
    kinds: ['text', 'date', 'number'],
    values: ['date'],
    isComplete: true,
  },
  {
    class: 'phi.age',
    name: word('age|age_?(?:years|yrs|at_?(?:admission|visit|death))|patient_?age'),
    not: word('group|band|bucket|range|min|max|limit|days|cache|message|page|file|image|storage|package'),
    kinds: textOrNumber,
    values: [],
  },
  {
    class: 'phi.date',
    name: word(
      'admi(?:t|tted|ssion)_?(?:date|dt|on|at|ts|time)?|discharged?_?(?:date|dt|on|at|ts|time)?|death_?(?:date|dt)?|date_?of_?(?:death|service|admission|discharge|visit)|dod|deceased_?(?:date|on|at)?|visit_?(?:date|dt|time|ts)|service_?(?:date|dt)|dos|encounter_?(?:date|dt|time|start|end)|appointment_?(?:date|dt|time|at)|appt_?(?:date|dt|time)|procedure_?(?:date|dt)|surgery_?(?:date|dt)|collect(?:ed|ion)_?(?:date|dt|at|time|on)|onset_?(?:date|dt)?|diagnos(?:is|ed)_?(?:date|dt|on|at)|immuni[sz]ation_?(?:date|dt)|prescri(?:bed|ption)_?(?:date|dt|on|at)|dispensed_?(?:date|dt|on|at)|specimen_?(?:date|time)',
    ),
    kinds: ['text', 'date'],
    values: ['date'],
    isComplete: true,
  },
  {
    class: 'phi.date',
    name: word(
      '(?:admi(?:t|ssion)?|admsn|disch(?:arge)?|death|chart|visit|encounter|enc|service|svc|contact|clm|claim|order|procedure|onset|appt|result|specimen|discharge|hosp)[a-z_]*(?:date|dt|dttm|time|datetime|ts|on|at)',
    ),
    not: word('created|updated|modified|changed|inserted|deleted|loaded|entered|ordered|received|valid|expir(?:y|es|ed|ation)|login|sync'),
    kinds: ['date'],
    values: [],
  },
  {
    class: 'phi.zip',
    name: word('zip|zip_?code|zip_?5|zip_?4|zip_?plus_?4|postal_?code|post_?code|postcode'),
    not: word('file|archive|path|size'),
    kinds: textOrNumber,
    values: ['zip'],
    isComplete: true,
  },
  {
    class: 'phi.address',
    name: word(
      'addr|addr_?\\d|address|address_?(?:line_?)?\\d?|street|street_?(?:name|addr(?:ess)?|line_?\\d)|(?:home|mailing|postal|residen(?:ce|tial)|billing)_?addr(?:ess)?|house_?(?:no|num|number)|apt_?(?:no|num|number)?|add_?line_?\\d|birth_?place|place_?of_?birth',
    ),
    not: word('email|e_?mail|ip|mac|web|type|kind|id|code|memory|capacity'),
    kinds: text,
    values: ['address'],
  },
  {
    class: 'phi.address',
    name: word('city|town|village|county|latitude|longitude|lat|lon|lng|lat_?long|geo_?(?:point|location)'),
    not: word('type|id|code|status'),
    kinds: ['text', 'number', 'other'],
    values: [],
    isVague: 'persons',
  },
  {
    class: 'phi.photo',
    name: word('photo|photos|portrait|face_?(?:image|photo|picture)|picture|headshot|mugshot|selfie|avatar'),
    not: word('count|type|width|height|consent'),
    kinds: ['text', 'binary'],
    values: [],
    isVague: 'either',
  },
  {
    class: 'phi.biometric',
    name: word(
      'finger_?print|thumb_?print|retina|iris_?(?:scan|code|template)|voice_?print|face_?(?:template|embedding|encoding)|biometric(?:_?(?:template|hash|data))?|palm_?print|dna(?:_?(?:sequence|profile))?|genome',
    ),
    not: word('species|petal|sepal|browser|cert(?:ificate)?|key'),
    kinds: ['text', 'binary', 'other'],
    values: [],
  },
  {
    class: 'phi.name',
    name: word(
      '(?:first|last|middle|given|family|sur|maiden|full|legal|preferred|nick|patient|pt|person|member|subscriber|guarantor|guardian|mother|father|spouse|next_?of_?kin|contact|provider|physician|doctor|nurse|relative|insured|holder|employee|customer|referring_physician)_?(?:first_?|last_?|full_?|middle_?|maiden_?|s_?)*(?:name|nm)|f_?name|l_?name|fname|lname|mname|surname|forename|given|family_?name|next_?of_?kin|emergency_?contact',
    ),
    not: word('type|id|count|code|file|host|user|table|column|product|test|drug|key'),
    kinds: text,
    values: ['name'],
  },
  {
    class: 'phi.name',
    name: word('name|names|nm|display_?name|contact|first|last|maiden'),
    not: word(
      'type|title|file|host|domain|vaccine|concept|source|product|test|drug|medication|column|table|role|group|class|code|key|event|tag|category|department|ward|room|unit|facility|clinic|hospital|company|org(?:ani[sz]ation)?|payer|plan|brand|model|device|procedure|lab|panel|form|template|service|status|country|state|language|index|schema|user|queue|topic|job|metric|setting',
    ),
    kinds: text,
    values: ['name'],
    isVague: 'either',
  },
  {
    class: 'phi.text',
    name: word(
      'notes?|clinical_?notes?|progress_?notes?|narrative|comments?|remarks|free_?text|history_?of_?present_?illness|hpi|assessment|impression|discharge_?summary|transcript(?:ion)?|dictation|report_?text|findings',
    ),
    not: word('type|title|id|count|code|date|at|by|status|flag|release|design|version'),
    kinds: text,
    values: [],
  },
  {
    class: 'phi.other-id',
    name: word(
      'national_?id|student_?id|employee_?(?:id|no|num|number)|badge_?(?:no|num|number|id)|user_?name|login|login_?name|twitter|facebook|instagram|linkedin|social_?(?:media|handle)|external_?patient_?id|study_?(?:subject_?)?id|subject_?id',
    ),
    not: word('type|count|status|at|time|attempts|provider|enabled'),
    kinds: textOrNumber,
    values: [],
    isVague: 'persons',
  },
  {
    class: 'phi.other-id',
    name: word(
      'accession_?(?:no|num|number)|specimen_?(?:id|no|num|number)|prescription_?(?:no|num|number)|rx_?(?:no|num|number)|(?:claim|clm)_?(?:no|num|number|id)',
    ),
    kinds: textOrNumber,
    values: [],
  },
];

/** What values alone prove, whatever the column is called. */
export const BY_CONTENT: readonly (readonly [ValueKind, string])[] = [
  ['ssn', 'phi.ssn'],
  ['email', 'phi.email'],
  ['mbi', 'phi.health-plan'],
  ['card', 'phi.account'],
  ['iban', 'phi.account'],
  ['vin', 'phi.vehicle'],
  ['udi', 'phi.device'],
  ['mac', 'phi.device'],
  ['npi', 'phi.license'],
  ['dea', 'phi.license'],
  ['ip', 'phi.ip'],
  ['phone', 'phi.phone'],
  ['zip', 'phi.zip'],
  ['address', 'phi.address'],
  ['name', 'phi.name'],
  ['url', 'phi.url'],
];

/** URLs of systems are in many tables, of persons in few. */
export const ONLY_OF_PERSONS: ReadonlySet<ValueKind> = new Set(['url']);

/** Relations whose rows are about persons. */
export const PERSONS = word(
  'patients?|persons?|people|members?|subscribers?|beneficiar(?:y|ies)|enrollees?|employees?|providers?|physicians?|doctors?|nurses?|contacts?|guarantors?|guardians?|relatives?|clients?|customers?|individuals?|subjects?|participants?|insured|staff|practitioners?|demographics?|pt|pts',
);
