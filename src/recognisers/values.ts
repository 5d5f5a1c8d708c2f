// Recognisers of values: what a text looks like, by its structure and its checksum where it has one. Pure and linear; a value is looked
// at and forgotten. `weak`: many harmless values have this form too, so it counts only where something else points the same way.
// SPEC: SSA (numbers never issued), CMS (NPI, MBI), ISO 13616 (IBAN), ISO 3779 / 49 CFR 565 (VIN), ISO/IEC 7812 (cards), GS1 (UDI).

export const VALUE_KINDS = [
  'ssn',
  'npi',
  'mbi',
  'dea',
  'card',
  'iban',
  'vin',
  'udi',
  'mac',
  'ip',
  'url',
  'email',
  'phone',
  'zip',
  'date',
  'address',
  'name',
] as const;
export type ValueKind = (typeof VALUE_KINDS)[number];

export type Match = 'strong' | 'weak' | null;

/** Longer values are no identifier of any kind here. */
const maxChars = 200;

const recognisers: Readonly<Record<ValueKind, (text: string) => Match>> = {
  ssn(text) {
    const match = /^(\d{3})(-?)(\d{2})\2(\d{4})$/.exec(text);
    if (match === null) return null;
    const [, area = '', dash, group = '', serial = ''] = match;
    if (area === '000' || area === '666' || group === '00' || serial === '0000') return null;
    // Taxpayer numbers (ITIN) have the form of an SSN that is never issued, and name a person as well.
    if (area >= '900' && !isTaxpayerGroup(Number(group))) return null;
    return dash === '-' ? 'strong' : 'weak';
  },
  npi: (text) => (/^[12]\d{9}$/.test(text) && isLuhn(`80840${text}`) ? 'strong' : null),
  mbi(text) {
    const plain = text.replaceAll('-', '').toUpperCase();
    return /^[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y]{2}\d{2}$/.test(plain)
      ? 'strong'
      : null;
  },
  dea(text) {
    if (!/^[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}$/i.test(text)) return null;
    const digits = Array.from(text.slice(2), Number);
    const sum = at(digits, 0) + at(digits, 2) + at(digits, 4) + 2 * (at(digits, 1) + at(digits, 3) + at(digits, 5));
    return sum % 10 === at(digits, 6) ? 'strong' : null;
  },
  card(text) {
    const plain = text.replaceAll(/[ -]/g, '');
    if (!/^(3[47]\d{13}|4\d{12}(\d{3})?|5[1-5]\d{14}|2[2-7]\d{14}|6(?:011|5\d{2})\d{12})$/.test(plain)) return null;
    return isLuhn(plain) ? 'strong' : null;
  },
  iban(text) {
    const plain = text.replaceAll(' ', '').toUpperCase();
    if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(plain)) return null;
    let rest = 0;
    for (const character of plain.slice(4) + plain.slice(0, 4)) rest = Number(`${rest}${Number.parseInt(character, 36)}`) % 97;
    return rest === 1 ? 'strong' : null;
  },
  vin(text) {
    const plain = text.toUpperCase();
    if (!/^[A-HJ-NPR-Z0-9]{17}$/.test(plain) || !/[A-Z]/.test(plain)) return null;
    const sum = [...plain].reduce((all, character, index) => all + vinValue(character) * at(vinWeights, index), 0);
    const check = sum % 11;
    return plain[8] === (check === 10 ? 'X' : String(check)) ? 'strong' : null;
  },
  udi: (text) => {
    const gtin = /^\(01\)(\d{14})/.exec(text)?.[1];
    return gtin !== undefined && isGtin(gtin) ? 'strong' : null;
  },
  mac: (text) => (/^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text) ? 'strong' : null),
  ip: (text) => (isIpv4(text) || isIpv6(text) ? 'strong' : null),
  url: (text) => (/^(?:https?|ftp):\/\/[^\s/?#]+\.[^\s]+$/i.test(text) ? 'strong' : null),
  email: (text) => (/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+$/.test(text) ? 'strong' : null),
  phone(text) {
    if (/^\+[1-9]\d{7,14}$/.test(text)) return 'strong';
    const match = /^(\+?1[ .-]?)?(\(?)[2-9]\d{2}(\)?)([ .-]{0,2})[2-9]\d{2}([ .-]?)\d{4}(?: ?(?:x|ext\.?) ?\d{1,6})?$/i.exec(text);
    if (match === null || (match[2] === '') !== (match[3] === '')) return null;
    return match[4] === '' && match[5] === '' ? 'weak' : 'strong';
  },
  zip(text) {
    const match = /^(\d{5})(-\d{4})?$/.exec(text);
    if (match === null) return null;
    const number = Number(match[1]);
    if (number < 501 || number > 99_950) return null;
    return match[2] === undefined ? 'weak' : 'strong';
  },
  date: (text) => (isDate(text) ? 'weak' : null),
  address: (text) =>
    /^\d{1,6}[A-Z]? [\p{L}0-9.' -]{2,60}\b(?:st|street|ave|avenue|rd|road|blvd|boulevard|ln|lane|dr|drive|ct|court|pl|place|way|ter|terrace|pkwy|parkway|hwy|highway|cir|circle)\b\.?/iu.test(
      text,
    )
      ? 'strong'
      : null,
  name(text) {
    const words = text.split(/[ ,]+/).filter((word) => word !== '');
    if (words.length === 0 || words.length > 4 || !words.every((word) => /^\p{Lu}[\p{L}'’.-]{0,30}$/u.test(word))) return null;
    return words.length > 1 && words.some((word) => givenNames.has(word.toLowerCase())) ? 'strong' : 'weak';
  },
};

/** What a value looks like. */
export function recognise(kind: ValueKind, value: string): Match {
  const text = value.trim();
  return text === '' || text.length > maxChars ? null : recognisers[kind](text);
}

function at(list: readonly number[], index: number): number {
  return list[index] ?? Number.NaN;
}

/** Groups of ITINs that were assigned: 50-65, 70-88, 90-92, 94-99. */
function isTaxpayerGroup(group: number): boolean {
  return (group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group <= 92) || group >= 94;
}

function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    let digit = Number(digits[digits.length - 1 - index]);
    if (index % 2 === 1) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
    sum += digit;
  }
  return sum % 10 === 0;
}

function isGtin(digits: string): boolean {
  const sum = [...digits].reduce((all, digit, index) => all + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return sum % 10 === 0;
}

const vinWeights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

function vinValue(character: string): number {
  if (/\d/.test(character)) return Number(character);
  return Number('12345678012345070923456789'[character.charCodeAt(0) - 65]);
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  if (!/^[0-9a-f:]{3,39}$/i.test(text)) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 && text.includes('::') : groups.length === 8;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

function isDate(text: string): boolean {
  const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$/.exec(text);
  if (iso !== null) return isDay(Number(iso[1]), Number(iso[2]), Number(iso[3]));
  const plain = /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$/.exec(text);
  if (plain !== null) {
    const [first, second, year] = [Number(plain[1]), Number(plain[2]), Number(plain[3])];
    return isDay(year, first, second) || isDay(year, second, first);
  }
  const named = /^(\d{1,2})[ -]([a-z]{3})[a-z]*[ ,-]+(\d{4})$|^([a-z]{3})[a-z]* (\d{1,2}),? (\d{4})$/i.exec(text);
  if (named === null) return false;
  const month = months.indexOf((named[2] ?? named[4] ?? '').toLowerCase()) + 1;
  return isDay(Number(named[3] ?? named[6]), month, Number(named[1] ?? named[5]));
}

function isDay(year: number, month: number, day: number): boolean {
  if (year < 1880 || year > 2100 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return day <= at([31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], month - 1);
}

/** The most frequent given names of the US Social Security Administration, 1930 to 2020, without duplicates. */
const givenNames: ReadonlySet<string> = new Set(
  `aaron adam adrian alan albert alejandro alex alexander alexis alice alicia allen allison alyssa amanda amber amelia amy andrea andrew
  angela angelica ann anna anne anthony antonio april aria arthur ashley audrey austin ava barbara beatrice benjamin bernard bernice bertha
  betty beverly billy bobby bonnie brandon brenda brian brianna brittany bruce bryan caitlin caleb cameron carl carlos carmen carol caroline
  carolyn carrie catherine charles charlotte chelsea cheryl chloe chris christian christina christine christopher cindy claire clara clarence
  connor courtney craig crystal curtis cynthia daisy dale daniel danielle david dawn deborah debra dennis derek diana diane diego donald donna
  doris dorothy douglas dylan earl edith edna edward eileen elaine eleanor elena elijah elizabeth ella ellen emily emma eric erica erin ernest
  esther ethan eugene eva evelyn faith fernando florence frances francis francisco frank fred gabriel gail gary george gerald gladys glenn
  gloria grace gregory hannah harold harry harper hazel heather helen henry herbert howard hunter ian irene isaac isabella jack jackson jacob
  jacqueline james jamie jane janet janice jasmine jason javier jean jeff jeffrey jennifer jeremy jerry jesse jessica jesus jill jim jimmy joan
  joe joel john johnny jonathan jordan jorge jose joseph joshua josephine joyce juan juanita judith judy julia julian julie june justin karen
  katherine kathleen kathryn kathy katie kayla keith kelly kenneth kevin kim kimberly kristen kyle larry laura lauren lawrence leah lee leonard
  leslie liam lillian lily linda lisa logan lois lori louis louise lucas lucille lucy luis luke luna lynn madison manuel marcus margaret maria
  marie marilyn mario marion marjorie mark marlene martha martin marvin mary mason matthew maureen megan melanie melissa melvin mia michael
  michele michelle miguel mildred mike minnie misty molly monica morgan nancy natalie nathalie nathan neil nicholas nicole noah nora norma
  norman olivia oscar owen pamela patricia patrick paul paula pauline peggy penelope peter philip phillip phyllis priscilla rachel ralph ramon
  randy raymond rebecca regina renee ricardo richard ricky rita robert roberta roberto robin rodney roger ronald rosa rose roy ruby russell
  ruth ryan sabrina samantha samuel sandra sara sarah scarlett scott sean sebastian sergio shannon sharon shawn sheila shirley sofia sophia
  stacy stanley stella stephanie stephen steve steven sue susan suzanne sydney sylvia tamara tammy tanya tara taylor teresa terri terry thelma
  theodore theresa thomas tiffany timothy tina todd tom tommy tony tracy travis tyler valerie vanessa vera vernon veronica victor victoria
  vincent violet virginia vivian walter wanda warren wayne wendy wesley wilbur willard william willie yolanda yvonne zachary zoe zoey`.split(
    /\s+/,
  ),
);
