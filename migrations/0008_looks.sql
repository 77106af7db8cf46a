-- Open tickets are looked at again from time to time: people change work items, and a configuration item may be there by now.
ALTER TABLE tickets
    ADD COLUMN looked_at timestamptz NOT NULL DEFAULT now(),    -- when that was done, or tried, last
    ADD COLUMN look_at timestamptz,                             -- when it is to be done next; null: not planned yet
    -- People ended it while its alert fires, and it stays so until the alert fires anew.
    ADD COLUMN left_alone boolean NOT NULL DEFAULT false,
    -- How often this firing has had its ticket reopened, or got another one, after people had ended it.
    ADD COLUMN brought_back integer NOT NULL DEFAULT 0 CHECK (brought_back >= 0);
CREATE INDEX tickets_to_plan_a_look ON tickets (target, looked_at)
    WHERE ended_at IS NULL AND wants = 'open' AND synced = 'open';
CREATE INDEX tickets_to_look_at ON tickets (target, look_at) WHERE look_at IS NOT NULL;
-- Looks are planned up to here.
ALTER TABLE targets ADD COLUMN looks_until timestamptz;
