-- How many tickets a route has asked for lately, by target and customer; over its limit, one ticket takes the rest.
CREATE TABLE storms (
    target         text NOT NULL,
    route          text NOT NULL,
    tenant_id      uuid NOT NULL,
    window_from    timestamptz NOT NULL,
    events         bigint NOT NULL,
    exceeded_since timestamptz,
    PRIMARY KEY (target, route, tenant_id)
);

ALTER TABLE tickets
    ADD COLUMN storm_since timestamptz,     -- it stands for the alerts of a storm that began then
    ADD COLUMN told_alerts bigint NOT NULL DEFAULT 0,       -- how many of them the work item tells of
    -- How often it has fired again after a resolution, and since when that is too often.
    ADD COLUMN returns_from timestamptz,
    ADD COLUMN returns bigint NOT NULL DEFAULT 0,
    ADD COLUMN flapping_since timestamptz,
    ADD COLUMN written_at timestamptz,      -- when something was written on the work item last
    -- When what has changed since the last claim is due; what is claimed is due until the claim is given back.
    ADD COLUMN then_due_at timestamptz;

-- The title of an alert that is one of many.
ALTER TABLE ticket_alerts ADD COLUMN title text;
