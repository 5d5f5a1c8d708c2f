-- What the corpus' schema has not: types of other families, protected values that are NULL in one world and not in the
-- other, and masks that keep a part of the value (the worlds agree on that part).
CREATE DOMAIN short_code AS text CHECK (length(VALUE) < 40);
CREATE TYPE mood AS ENUM ('calm', 'upset', 'sad');
CREATE TABLE visits (
  id int PRIMARY KEY, clinic_id int NOT NULL, kind short_code NOT NULL, planned daterange, felt mood,
  diary text, stay daterange, score float8, tags text[], feeling mood, code short_code, seen timestamptz, weight numeric, smoker boolean,
  born date, admitted timestamptz, postcode text, account text, age int, income numeric,
  diary_size int GENERATED ALWAYS AS (length(diary)) STORED,
  EXCLUDE USING gist (stay WITH =)
);
CREATE INDEX ON visits (diary);
CREATE INDEX ON visits (id) WHERE smoker;
CREATE VIEW v_visits AS SELECT id, kind, upper(diary) AS loud, born, postcode, planned FROM visits;
CREATE VIEW v_visit_kinds WITH (security_barrier) AS SELECT id, kind, felt FROM visits;
ALTER TABLE visits OWNER TO app;
ALTER VIEW v_visits OWNER TO app;
ALTER VIEW v_visit_kinds OWNER TO app;
-- rows
INSERT INTO visits
SELECT g, 1 + g % 5, (ARRAY['walk-in', 'planned', 'call'])[1 + g % 3], daterange(date '2024-01-01' + g, date '2024-02-01' + g), (ARRAY['calm', 'sad'])[1 + g % 2]::mood,
  CASE WHEN h % 4 > 0 THEN md5('{{WORLD}} diary' || g) END, daterange(date '2023-01-01' + (h % 300)::int + 400 * g, date '2026-01-01' + 400 * g),
  (h % 1000) / 7.0, CASE WHEN h % 3 > 0 THEN ARRAY[left(md5('{{WORLD}}' || g), 4), '{{WORLD}}'] END, (ARRAY['calm', 'upset', 'sad'])[1 + h % 3]::mood, md5('{{WORLD}} code' || g),
  timestamptz '2020-01-01 00:00+00' + make_interval(hours => (h % 30000)::int), h % 100, h % 2 = 0,
  make_date(1930 + g * 4, 1 + (h % 12)::int, 1 + (h % 28)::int), make_timestamptz(2020 + g % 4, 1 + g % 12, 1 + (h % 28)::int, (h % 24)::int, 0, 0, 'UTC'),
  '941' || lpad((h % 100)::text, 2, '0'), left(md5('{{WORLD}} account' || g), 10) || '-77' || g % 10, 91 + (h % 9)::int, 1000 * g + h % 10
FROM generate_series(1, 16) g, LATERAL (SELECT abs(hashtext('{{WORLD}}' || g))::bigint AS h) s;
