-- A create may have been carried out twice (a worker stood still right before it, and lost its ticket): a search for a
-- second work item is made later, and again after twice the wait, until the wait is as long as the settings allow.
ALTER TABLE tickets
    ADD COLUMN double_check_at timestamptz,
    ADD COLUMN double_check_ms bigint NOT NULL DEFAULT 0,
    -- A write may have been carried out, or may still be: what the ledger has of the work item is not to be trusted.
    ADD COLUMN write_unsure boolean NOT NULL DEFAULT false;
CREATE INDEX tickets_to_double_check ON tickets (double_check_at) WHERE double_check_at IS NOT NULL;
