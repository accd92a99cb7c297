-- Rows that ended after one instant and by the checkpoint's clock are not current any more; called by projector/clock.py.
WITH checkpoint_clock AS (
    SELECT clock_at FROM checkpoint WHERE name = 'read_model'
), entities AS (
    UPDATE entity_version SET is_current = false
    WHERE is_current AND valid_to > %(after)s::timestamptz AND valid_to <= (SELECT clock_at FROM checkpoint_clock)
    RETURNING 1
), details AS (
    UPDATE entity_detail_version SET is_current = false
    WHERE is_current AND valid_to > %(after)s::timestamptz AND valid_to <= (SELECT clock_at FROM checkpoint_clock)
    RETURNING 1
)
SELECT (SELECT count(*) FROM entities) + (SELECT count(*) FROM details)
