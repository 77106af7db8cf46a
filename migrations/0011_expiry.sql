-- Alerts whose end Azure never tells: each counts as resolved from here on, unless it has fired anew. Null: never.
ALTER TABLE alerts ADD COLUMN expires_at timestamptz;
CREATE INDEX alerts_expiring ON alerts (expires_at) WHERE expires_at IS NOT NULL;
