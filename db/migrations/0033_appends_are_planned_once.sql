-- What an append looks up is found by unique keys, whatever is asked and however much. Planned for the arrays of each call, three
-- of its statements were planned at every call, since arrays of one or two look cheaper than arrays of any length: that was a
-- third of what a lone command took.
ALTER FUNCTION log.append_events SET plan_cache_mode = force_generic_plan;
