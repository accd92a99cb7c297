-- Ask the projector to find out up to when all that was recorded is known; for Snapshots._settle.
NOTIFY cockpit_settle
