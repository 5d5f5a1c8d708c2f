/** Why sealed payloads are opened. */
export const PURPOSES = {
  audit: 'Audit',
  'breach-investigation': 'Investigation of a breach',
  'incident-response': 'Response to an incident',
  legal: 'Legal',
  'patient-request': 'Request of a patient',
  'quality-review': 'Review of quality',
  'treatment-dispute': 'Dispute about treatment',
} as const;
export type Purpose = keyof typeof PURPOSES;
