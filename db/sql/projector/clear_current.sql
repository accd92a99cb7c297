-- Rows that ended after one instant and by another are not current any more; called by projector/clock.py.
WITH entities AS (
    UPDATE entity_version SET is_current = false
    WHERE is_current AND valid_to > %(after)s::timestamptz AND valid_to <= %(clock)s::timestamptz
    RETURNING 1
), details AS (
    UPDATE entity_detail_version SET is_current = false
    WHERE is_current AND valid_to > %(after)s::timestamptz AND valid_to <= %(clock)s::timestamptz
    RETURNING 1
)
SELECT (SELECT count(*) FROM entities) + (SELECT count(*) FROM details)
