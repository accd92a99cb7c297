-- Who counts reads this table, so with the lock no statement is under way any more that began before 0029_pages_of_a_round.
LOCK TABLE read_model.entity_version IN ACCESS EXCLUSIVE MODE;
DROP FUNCTION read_model.entities_known_at_before, read_model.entities_at_before, read_model.count_at_before;
