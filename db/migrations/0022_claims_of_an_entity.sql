-- The claims of external keys that name an entity: each is in a stream of its own, and they are few beside all events.
CREATE INDEX event_claims_by_entity ON log.event ((payload #>> '{data,entity_uid}'), position)
    WHERE type = 'ExternalKeyClaimed';
