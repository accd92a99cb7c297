-- The last position the read model has, and up to when all that was recorded is in it (the first year of the calendar
-- while nobody knows); read by db/waiting.py while somebody waits.
SELECT position, greatest(settled_at, recorded_at, '0001-01-01Z'::timestamptz) FROM checkpoint WHERE name = 'read_model'
