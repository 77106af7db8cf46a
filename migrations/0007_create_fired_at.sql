-- What a create that may have been sent was about: a firing that came after it is not written on the work item that it made.
ALTER TABLE tickets ADD COLUMN create_fired_at timestamptz;
