// Tables, keys, views and protection classes of the synthetic clinic. Column names are the usual ones: a policy that
// includes the pack `hipaa-agents` protects nearly all of them without naming any.

/** Tables without keys: loading is faster before `clinicIndexSql`. */
export const clinicSchemaSql = `
CREATE TABLE public.clinics (
  id integer NOT NULL, name text NOT NULL, region text NOT NULL, city text NOT NULL, state character(2) NOT NULL,
  beds integer NOT NULL, opened_on date NOT NULL
);
CREATE TABLE public.clinicians (
  id integer NOT NULL, clinic_id integer NOT NULL, name text NOT NULL, specialty text NOT NULL, npi character(10) NOT NULL
);
CREATE TABLE public.patients (
  id integer NOT NULL, mrn text NOT NULL, name text NOT NULL, sex character(1) NOT NULL, dob date NOT NULL,
  ssn character varying(11) NOT NULL, phone text NOT NULL, fax text, email text, address text NOT NULL, city text NOT NULL,
  state character(2) NOT NULL, zip character varying(5) NOT NULL, clinic_id integer NOT NULL, clinician_id integer NOT NULL,
  active boolean NOT NULL
);
CREATE TABLE public.coverage (
  patient_id integer NOT NULL, payer text NOT NULL, plan text, member_number text, account_number text NOT NULL
);
CREATE TABLE public.patient_identity (
  patient_id integer NOT NULL, external_patient_id uuid NOT NULL, drivers_license text, license_plate text, vin text,
  profile_url text NOT NULL, last_ip inet NOT NULL, fingerprint bytea NOT NULL, voice_print text, photo_ref text NOT NULL
);
CREATE TABLE public.implants (
  id integer NOT NULL, patient_id integer NOT NULL, model text NOT NULL, device_serial text NOT NULL, implanted_on date NOT NULL
);
CREATE TABLE public.encounters (
  id integer NOT NULL, patient_id integer NOT NULL, clinic_id integer NOT NULL, clinician_id integer NOT NULL, kind text NOT NULL,
  admitted_at timestamp with time zone NOT NULL, minutes integer NOT NULL, cost numeric(10,2) NOT NULL,
  age_at_visit smallint NOT NULL, reason text NOT NULL
);
CREATE TABLE public.diagnoses (
  id integer NOT NULL, encounter_id integer NOT NULL, icd10 text NOT NULL, label text NOT NULL, rank smallint NOT NULL
);
CREATE TABLE public.lab_results (
  id integer NOT NULL, encounter_id integer NOT NULL, loinc text NOT NULL, test text NOT NULL, value numeric(10,2) NOT NULL,
  unit text NOT NULL, collected_at timestamp with time zone NOT NULL
);
`;

/** Keys, indexes, views, comments and statistics. */
export const clinicIndexSql = `
ALTER TABLE public.clinics ADD PRIMARY KEY (id);
ALTER TABLE public.clinicians ADD PRIMARY KEY (id), ADD FOREIGN KEY (clinic_id) REFERENCES public.clinics;
ALTER TABLE public.patients ADD PRIMARY KEY (id), ADD UNIQUE (mrn), ADD UNIQUE (ssn),
  ADD FOREIGN KEY (clinic_id) REFERENCES public.clinics, ADD FOREIGN KEY (clinician_id) REFERENCES public.clinicians;
ALTER TABLE public.coverage ADD PRIMARY KEY (patient_id), ADD FOREIGN KEY (patient_id) REFERENCES public.patients;
ALTER TABLE public.patient_identity ADD PRIMARY KEY (patient_id), ADD FOREIGN KEY (patient_id) REFERENCES public.patients;
ALTER TABLE public.implants ADD PRIMARY KEY (id), ADD FOREIGN KEY (patient_id) REFERENCES public.patients;
ALTER TABLE public.encounters ADD PRIMARY KEY (id), ADD FOREIGN KEY (patient_id) REFERENCES public.patients,
  ADD FOREIGN KEY (clinic_id) REFERENCES public.clinics, ADD FOREIGN KEY (clinician_id) REFERENCES public.clinicians;
ALTER TABLE public.diagnoses ADD PRIMARY KEY (id), ADD FOREIGN KEY (encounter_id) REFERENCES public.encounters;
ALTER TABLE public.lab_results ADD PRIMARY KEY (id), ADD FOREIGN KEY (encounter_id) REFERENCES public.encounters;
CREATE INDEX ON public.patients (clinic_id);
CREATE INDEX ON public.encounters (patient_id);
CREATE INDEX ON public.encounters (clinic_id, admitted_at);
CREATE INDEX ON public.diagnoses (encounter_id);
CREATE INDEX ON public.diagnoses (icd10);
CREATE INDEX ON public.lab_results (encounter_id);

CREATE VIEW public.v_patient_contact AS
  SELECT id, name, phone, email, clinic_id FROM public.patients WHERE active;
CREATE VIEW public.clinic_load AS
  SELECT c.id, c.name, c.region, count(e.id) AS encounters, sum(e.minutes) AS minutes, round(sum(e.cost), 2) AS cost
  FROM public.clinics c LEFT JOIN public.encounters e ON e.clinic_id = c.id
  GROUP BY c.id, c.name, c.region;

COMMENT ON TABLE public.clinics IS 'Sites of the group. No patient data.';
COMMENT ON TABLE public.patients IS 'One row per person. Synthetic: nobody in here exists.';
COMMENT ON COLUMN public.patients.mrn IS 'Medical record number, on every form.';
COMMENT ON COLUMN public.patients.ssn IS 'Social security number; only from the 9xx range, which is never issued.';
COMMENT ON COLUMN public.patients.dob IS 'Date of birth.';
COMMENT ON TABLE public.coverage IS 'Who pays.';
COMMENT ON TABLE public.patient_identity IS 'Other identifiers of a person: papers, car, portal, biometrics.';
COMMENT ON TABLE public.implants IS 'Devices in the body, by serial number.';
COMMENT ON TABLE public.encounters IS 'Visits, stays and calls.';
COMMENT ON COLUMN public.encounters.reason IS 'Free text of the front desk; names and phone numbers do occur.';
COMMENT ON COLUMN public.encounters.minutes IS 'Length of the encounter.';
COMMENT ON TABLE public.diagnoses IS 'ICD-10-CM codes by encounter; rank 1 is the principal diagnosis.';
COMMENT ON TABLE public.lab_results IS 'Results by LOINC code.';
COMMENT ON VIEW public.v_patient_contact IS 'For the front desk.';
COMMENT ON VIEW public.clinic_load IS 'Work by clinic. No patient data.';
ANALYZE;
`;

const of = (className: string, ...columns: readonly string[]) => ({
  class: `phi.${className}`,
  columns: columns.map((column) => `clinic:public.${column}`),
});

/** Every protected column, by the classes of the pack `hipaa-agents`, for a target named `clinic`. */
export const clinicClasses: readonly { readonly class: string; readonly columns: readonly string[] }[] = [
  of('name', 'patients.name'),
  of('address', 'patients.address', 'patients.city'),
  of('zip', 'patients.zip'),
  of('date', 'patients.dob', 'encounters.admitted_at', 'lab_results.collected_at', 'implants.implanted_on'),
  of('age', 'encounters.age_at_visit'),
  of('phone', 'patients.phone'),
  of('fax', 'patients.fax'),
  of('email', 'patients.email'),
  of('ssn', 'patients.ssn'),
  of('mrn', 'patients.mrn'),
  of('health-plan', 'coverage.member_number'),
  of('account', 'coverage.account_number'),
  of('license', 'patient_identity.drivers_license'),
  of('vehicle', 'patient_identity.license_plate', 'patient_identity.vin'),
  of('device', 'implants.device_serial'),
  of('url', 'patient_identity.profile_url'),
  of('ip', 'patient_identity.last_ip'),
  of('biometric', 'patient_identity.fingerprint', 'patient_identity.voice_print'),
  of('photo', 'patient_identity.photo_ref'),
  of('other-id', 'patient_identity.external_patient_id'),
  of('text', 'encounters.reason'),
];
