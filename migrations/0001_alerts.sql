-- One row per alert instance. Its state is a join over everything heard about it, so neither the order nor
-- the repetition of notifications matters: Resolved if and only if resolved_through >= fired_at.
CREATE TABLE alerts (
    alert_key             bytea PRIMARY KEY CHECK (length(alert_key) = 32),
    tenant_id             uuid NOT NULL,
    alert_id              text NOT NULL,
    alert_rule            text,
    fired_at              timestamptz,   -- greatest firedDateTime of a Fired notification
    resolved_through      timestamptz,   -- greatest instant that a Resolved notification speaks for
    fired_notification    uuid,          -- the newest Fired, which the ticket's text is taken from
    resolved_notification uuid,          -- the newest Resolved
    firing                boolean NOT NULL GENERATED ALWAYS AS
                              (fired_at IS NOT NULL AND (resolved_through IS NULL OR resolved_through < fired_at)) STORED,
    no_ticket_reason      text,          -- why this alert has no ticket
    first_heard_at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- The notifications heard. Kept for the retention setting, and as long as an open ticket is written from them.
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    alert_key       bytea NOT NULL REFERENCES alerts,
    condition       text NOT NULL CHECK (condition IN ('Fired', 'Resolved')),
    received_at     timestamptz NOT NULL,
    deliveries      integer NOT NULL DEFAULT 1 CHECK (deliveries > 0),
    traceparent     text,
    body            text NOT NULL
);
CREATE INDEX notifications_received ON notifications (received_at);
CREATE INDEX notifications_alert ON notifications (alert_key);
