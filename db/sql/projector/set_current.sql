-- Rows that began after one instant and by the checkpoint's clock, and have not ended, are current; called by
-- projector/clock.py, after those before them were cleared.
WITH checkpoint_clock AS (
    SELECT clock_at FROM checkpoint WHERE name = 'read_model'
), entities AS (
    UPDATE entity_version SET is_current = true
    WHERE NOT is_current AND valid_from > %(after)s::timestamptz
      AND valid_from <= (SELECT clock_at FROM checkpoint_clock)
      AND coalesce(valid_to > (SELECT clock_at FROM checkpoint_clock), true)
    RETURNING 1
), details AS (
    UPDATE entity_detail_version SET is_current = true
    WHERE NOT is_current AND valid_from > %(after)s::timestamptz
      AND valid_from <= (SELECT clock_at FROM checkpoint_clock)
      AND coalesce(valid_to > (SELECT clock_at FROM checkpoint_clock), true)
    RETURNING 1
)
SELECT (SELECT count(*) FROM entities) + (SELECT count(*) FROM details)
