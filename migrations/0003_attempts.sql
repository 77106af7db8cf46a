-- Every call made for a ticket and what became of it. Kept for the retention setting.
CREATE TABLE attempts (
    attempt_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id    uuid NOT NULL REFERENCES tickets,
    lease_number bigint NOT NULL,
    worker       text NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_ms  integer NOT NULL,
    action       text NOT NULL,
    outcome      text NOT NULL,
    detail       text
);
CREATE INDEX attempts_ticket ON attempts (ticket_id, attempt_id);
CREATE INDEX attempts_started ON attempts (started_at);
