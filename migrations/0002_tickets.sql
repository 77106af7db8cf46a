-- One row per work item in an ITSM: what we want of it, what we last saw of it, and when to act next.
CREATE TABLE tickets (
    ticket_id           uuid PRIMARY KEY,
    target              text NOT NULL,
    route               text NOT NULL,
    correlation_key     text NOT NULL,          -- versioned hash of what the route groups alerts by
    -- What the work item is found by. The end of the ticket's id keeps it from ever meaning another ticket of the key.
    correlation_id      text NOT NULL UNIQUE
                            GENERATED ALWAYS AS (correlation_key || '-' || right(ticket_id::text, 12)) STORED,
    follows             uuid REFERENCES tickets,
    created_at          timestamptz NOT NULL DEFAULT now(),
    ended_at            timestamptz,            -- from then on another ticket serves the key
    end_reason          text,

    -- What the ledger wants.
    wants               text NOT NULL CHECK (wants IN ('open', 'resolved')),
    fired_at            timestamptz NOT NULL,   -- newest firing among its alerts
    resolved_at         timestamptz,            -- newest resolution among its alerts
    shown_alert         bytea NOT NULL REFERENCES alerts,       -- whose text it carries
    version             bigint NOT NULL DEFAULT 1,              -- counts changes of what is wanted

    -- What the ITSM has.
    create_attempted_at timestamptz,
    external_id         text,
    external_number     text,
    synced              text NOT NULL DEFAULT 'none' CHECK (synced IN ('none', 'open', 'resolved', 'closed')),
    told_through        timestamptz,            -- firings up to here are written on the work item
    ci_id               text,
    ci_name             text,
    ci_missing          text,                   -- why it has no configuration item

    -- When to act next, and who may.
    due_at              timestamptz,            -- null: nothing to do
    lease_number        bigint NOT NULL DEFAULT 0,
    lease_until         timestamptz,
    leased_by           text,
    failing_since       timestamptz,
    retry_ms            bigint NOT NULL DEFAULT 0,
    last_error          text,
    parked_at           timestamptz,            -- rejected by the ITSM: waits for an operator
    settled_reason      text,                   -- why nothing is left to do, where that is not plain

    CHECK (parked_at IS NULL OR due_at IS NULL),
    CHECK ((synced = 'none') = (external_id IS NULL))
) WITH (fillfactor = 70);

-- The rule that no search can give: one ticket per key at a time.
CREATE UNIQUE INDEX tickets_one_open ON tickets (target, correlation_key) WHERE ended_at IS NULL;
CREATE INDEX tickets_of_key ON tickets (target, correlation_key, ticket_id);
CREATE INDEX tickets_due ON tickets (target, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tickets_leased ON tickets (target) WHERE lease_until IS NOT NULL;
CREATE INDEX tickets_without_ci ON tickets (target) WHERE ci_missing IS NOT NULL AND ended_at IS NULL AND synced = 'open';
CREATE INDEX tickets_parked ON tickets (target, parked_at) WHERE parked_at IS NOT NULL;
-- Tickets that are not as wanted although nobody is to act: there should be none.
CREATE INDEX tickets_adrift ON tickets (ticket_id)
    WHERE due_at IS NULL AND parked_at IS NULL
      AND (ended_at IS NULL AND wants = 'open' AND (synced = 'none' OR fired_at > told_through)
           OR wants = 'resolved' AND synced = 'open');
CREATE INDEX tickets_external ON tickets (external_number);
CREATE INDEX tickets_follows ON tickets (follows) WHERE follows IS NOT NULL;
CREATE INDEX tickets_shown ON tickets (shown_alert);
CREATE INDEX tickets_ended ON tickets (ended_at) WHERE ended_at IS NOT NULL;

-- Which alerts a ticket stands for.
CREATE TABLE ticket_alerts (
    ticket_id uuid NOT NULL REFERENCES tickets,
    alert_key bytea NOT NULL REFERENCES alerts,
    PRIMARY KEY (ticket_id, alert_key)
);
CREATE INDEX ticket_alerts_alert ON ticket_alerts (alert_key);
