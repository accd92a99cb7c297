-- Rows that began after one instant and by another, and have not ended, are current; called by projector/clock.py, after
-- those before them were cleared.
WITH entities AS (
    UPDATE entity_version SET is_current = true
    WHERE NOT is_current AND valid_from > %(after)s::timestamptz AND valid_from <= %(clock)s::timestamptz
      AND coalesce(valid_to > %(clock)s::timestamptz, true)
    RETURNING 1
), details AS (
    UPDATE entity_detail_version SET is_current = true
    WHERE NOT is_current AND valid_from > %(after)s::timestamptz AND valid_from <= %(clock)s::timestamptz
      AND coalesce(valid_to > %(clock)s::timestamptz, true)
    RETURNING 1
)
SELECT (SELECT count(*) FROM entities) + (SELECT count(*) FROM details)
