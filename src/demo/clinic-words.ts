// Word lists of the synthetic clinic. Nobody in it exists: names are common ones put together at random, numbers come from
// ranges that are never given out.

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const givenNames = words(`
  Aaliyah Abdul Adriana Agnes Ahmed Aiko Alejandro Alice Amara Amir Ana Andre Angela Anton Aria Arthur Asha Barbara Beatriz
  Benjamin Bianca Caleb Camila Carlos Carmen Chen Chidi Chloe Claire Cora Dalia Daniel Darius David Deborah Devon Diego
  Dorothy Edith Elena Eli Emeka Emma Esther Fatima Felix Fiona Frank Gabriel Grace Greta Gustavo Hana Harold Hassan Helen
  Hiroshi Ida Imani Ines Ingrid Isaac Ivan Jamal James Jasmine Javier Joan Jonas Jose Joyce Kai Karen Keisha Kofi Kwame Lars
  Laura Leila Leon Lin Linda Luca Lucia Mai Malik Marco Margaret Maria Marie Mateo Maya Mei Mohammed Nadia Naomi Nathan Ngozi
  Nia Nina Noah Noor Olga Omar Oscar Paolo Patricia Paul Pearl Pedro Priya Quinn Rafael Ravi Rebecca Rosa Rose Ruth Ryan
  Samira Samuel Sanjay Sara Sofia Stella Tariq Teresa Thomas Tomas Uma Valeria Vera Victor Walter Wei William Xavier Yara
  Yusuf Zainab Zoe
`);

export const familyNames = words(`
  Abbott Acosta Adeyemi Ahmed Alvarez Andersen Anderson Aoki Bailey Baker Banerjee Barnes Becker Bell Bennett Bergstrom
  Bianchi Blake Bondarenko Brooks Brown Campbell Castillo Chan Chavez Chen Cho Clark Cohen Coleman Cruz Dang Davis Diallo Diaz
  Dubois Edwards Eriksen Espinoza Evans Fernandez Fischer Fleming Flores Foster Garcia Gill Gomez Gonzalez Grant Gray Green
  Gupta Guzman Haddad Hall Hansen Harris Hassan Hayes Henderson Hernandez Hoffman Holm Hughes Huang Ibrahim Ito Jackson
  Jansen Jensen Johnson Jones Kamara Kaplan Katz Kelly Khan Kim Kowalski Kumar Larsen Lee Lewis Li Lopez Mahmoud Martin
  Martinez Mbeki Medina Mendoza Meyer Miller Mitchell Moore Morales Moreno Morgan Murphy Nakamura Nguyen Nielsen Novak Obi
  Okafor Olsen Ortega Ortiz Osei Owens Park Parker Patel Perez Petrov Pham Phillips Popescu Powell Price Qureshi Ramirez Rao
  Reed Reyes Richardson Rivera Roberts Robinson Rodriguez Rojas Romero Rossi Russo Salazar Sanchez Santos Sato Schmidt
  Schneider Scott Sharma Shaw Silva Singh Smith Sorensen Soto Stewart Suzuki Taylor Thomas Thompson Tran Turner Vargas
  Vasquez Wagner Walker Wang Ward Watanabe Weber White Williams Wilson Wong Wood Wright Yamamoto Yang Yilmaz Young Zhang
  Zimmerman
`);

export const streets = words(
  'Alder Aspen Birch Bridge Canal Cedar Chapel Cherry Church College Depot Elm Falcon Ferry Forest Garden Grove Harbor Hickory Hill Juniper Lake Laurel Linden Locust Main Maple Market Meadow Mill Oak Orchard Park Pine Pleasant Prairie Quarry Railroad Ridge River School Spring Spruce Summit Sunset Sycamore Union Valley View Walnut Water Willow',
);
export const streetKinds = words('Street Avenue Road Lane Court Drive Way');

export interface Place {
  readonly city: string;
  readonly state: string;
  /** First three digits of its ZIP codes; some belong to the areas that Safe Harbor shows as 000. */
  readonly zip3: string;
  readonly areaCode: string;
}

const place = (city: string, state: string, zip3: string, areaCode: string): Place => ({ city, state, zip3, areaCode });

export const places: readonly Place[] = [
  place('Duluth', 'MN', '558', '218'),
  place('Bemidji', 'MN', '566', '218'),
  place('Grand Marais', 'MN', '556', '218'),
  place('Rochester', 'MN', '559', '507'),
  place('Tucson', 'AZ', '857', '520'),
  place('Flagstaff', 'AZ', '860', '928'),
  place('Socorro', 'NM', '878', '575'),
  place('Tucumcari', 'NM', '884', '575'),
  place('Lubbock', 'TX', '794', '806'),
  place('El Paso', 'TX', '799', '915'),
  place('Boise', 'ID', '837', '208'),
  place('Rawlins', 'WY', '823', '307'),
  place('Kemmerer', 'WY', '831', '307'),
  place('Ely', 'NV', '893', '775'),
  place('Reno', 'NV', '895', '775'),
  place('Portland', 'ME', '041', '207'),
  place('Burlington', 'VT', '054', '802'),
  place('Charlestown', 'NH', '036', '603'),
];

export interface ClinicSite {
  readonly name: string;
  readonly region: string;
  readonly place: number;
  readonly beds: number;
  readonly openedOn: string;
}

const site = (name: string, region: string, at: number, beds: number, openedOn: string): ClinicSite => ({
  name,
  region,
  place: at,
  beds,
  openedOn,
});

export const sites: readonly ClinicSite[] = [
  site('Harbor Point Clinic', 'north', 0, 42, '1998-04-02'),
  site('Cedar Lake Clinic', 'north', 1, 18, '2003-09-15'),
  site('North Shore Health Post', 'north', 2, 6, '2017-05-08'),
  site('Silver Creek Hospital', 'north', 3, 210, '1974-10-01'),
  site('Sunset Mesa Clinic', 'south', 4, 64, '1989-01-20'),
  site('High Pines Clinic', 'south', 5, 31, '2009-03-02'),
  site('Blue Prairie Clinic', 'south', 8, 27, '2011-07-05'),
  site('Granite Falls Clinic', 'west', 10, 33, '2015-11-30'),
  site('Red Butte Health Post', 'west', 11, 5, '2019-02-11'),
  site('Truckee Meadows Clinic', 'west', 14, 58, '1996-06-17'),
  site('Casco Bay Clinic', 'east', 15, 47, '1992-08-24'),
  site('Green Mountain Clinic', 'east', 16, 39, '2001-12-03'),
];

export const specialties = [
  'family medicine',
  'internal medicine',
  'pediatrics',
  'cardiology',
  'emergency medicine',
  'obstetrics',
  'psychiatry',
  'orthopedics',
] as const;
export const payers = ['Northwind Health', 'Prairie Mutual', 'Evergreen Care', 'Medicare', 'Medicaid', 'Self pay'] as const;
export const plans = ['bronze', 'silver', 'gold', 'advantage', 'standard'] as const;
export const encounterKinds = ['office', 'office', 'office', 'telehealth', 'telehealth', 'emergency', 'inpatient', 'procedure'] as const;
export const implantModels = [
  'Cadence DR pacemaker',
  'Cadence VR pacemaker',
  'Arbor hip stem',
  'Arbor knee system',
  'Lumen lens',
  'Tempo insulin pump',
] as const;
export const complaints = [
  'chest pain',
  'persistent cough',
  'lower back pain',
  'dizziness',
  'shortness of breath',
  'migraine',
  'joint swelling',
  'abdominal pain',
  'insomnia',
  'skin rash',
  'fever',
  'fatigue',
] as const;

export const diagnosisCodes: readonly (readonly [code: string, label: string])[] = [
  ['I10', 'Essential (primary) hypertension'],
  ['E11.9', 'Type 2 diabetes mellitus without complications'],
  ['E78.5', 'Hyperlipidemia, unspecified'],
  ['J06.9', 'Acute upper respiratory infection, unspecified'],
  ['M54.50', 'Low back pain, unspecified'],
  ['F41.1', 'Generalized anxiety disorder'],
  ['F32.A', 'Depression, unspecified'],
  ['J45.909', 'Unspecified asthma, uncomplicated'],
  ['K21.9', 'Gastro-esophageal reflux disease without esophagitis'],
  ['N39.0', 'Urinary tract infection, site not specified'],
  ['R07.9', 'Chest pain, unspecified'],
  ['R51.9', 'Headache, unspecified'],
  ['I48.91', 'Unspecified atrial fibrillation'],
  ['I25.10', 'Atherosclerotic heart disease of native coronary artery'],
  ['J44.9', 'Chronic obstructive pulmonary disease, unspecified'],
  ['M17.11', 'Unilateral primary osteoarthritis, right knee'],
  ['G47.33', 'Obstructive sleep apnea'],
  ['E03.9', 'Hypothyroidism, unspecified'],
  ['B20', 'Human immunodeficiency virus disease'],
  ['F11.20', 'Opioid dependence, uncomplicated'],
  ['Z34.90', 'Supervision of normal pregnancy, unspecified'],
  ['C50.919', 'Malignant neoplasm of unspecified site of unspecified breast'],
  ['S93.401A', 'Sprain of unspecified ligament of right ankle'],
  ['Z00.00', 'General adult medical examination without abnormal findings'],
];

export interface LabTest {
  readonly loinc: string;
  readonly name: string;
  readonly unit: string;
  readonly mean: number;
  readonly spread: number;
}

const labTest = (loinc: string, name: string, unit: string, mean: number, spread: number): LabTest => ({ loinc, name, unit, mean, spread });

export const labTests: readonly LabTest[] = [
  labTest('2345-7', 'Glucose', 'mg/dL', 105, 28),
  labTest('4548-4', 'Hemoglobin A1c', '%', 6.1, 1.2),
  labTest('2093-3', 'Cholesterol', 'mg/dL', 188, 36),
  labTest('2085-9', 'HDL cholesterol', 'mg/dL', 52, 14),
  labTest('2160-0', 'Creatinine', 'mg/dL', 0.98, 0.27),
  labTest('2951-2', 'Sodium', 'mmol/L', 139, 3),
  labTest('2823-3', 'Potassium', 'mmol/L', 4.2, 0.4),
  labTest('718-7', 'Hemoglobin', 'g/dL', 13.8, 1.6),
  labTest('6690-2', 'Leukocytes', '10*3/uL', 7.1, 2.1),
  labTest('3016-3', 'Thyrotropin', 'mIU/L', 2.1, 1.1),
];
