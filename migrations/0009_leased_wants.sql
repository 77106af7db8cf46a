-- What was wanted of a ticket when it was claimed last: a lease that was not given back may have ended after a resolution.
ALTER TABLE tickets ADD COLUMN leased_wants text CHECK (leased_wants IN ('open', 'resolved'));
