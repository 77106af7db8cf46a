-- Messages that nothing could be done with, byte for byte, until an operator has replayed or discarded them.
CREATE TABLE dead_letters (
    dead_letter_id uuid PRIMARY KEY,
    digest         bytea NOT NULL UNIQUE,       -- of the message: one that dies again, or arrives again, is the same row
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'discarded')),
    state_since    timestamptz NOT NULL DEFAULT now(),
    first_died_at  timestamptz NOT NULL,
    last_died_at   timestamptz NOT NULL,
    deaths         bigint NOT NULL DEFAULT 1,
    reason         text NOT NULL,               -- of the last death
    origin_queue   text,
    message_id     text,
    tenant_id      uuid,
    schema_version bigint,
    received_at    timestamptz,
    traceparent    text,
    alert_id       text,                        -- if it can be read
    envelope       text NOT NULL,               -- JSON: all that is published again with the body
    body           bytea NOT NULL,
    body_bytes     bigint NOT NULL GENERATED ALWAYS AS (octet_length(body)) STORED
);
CREATE INDEX dead_letters_waiting ON dead_letters (dead_letter_id) INCLUDE (body_bytes) WHERE state = 'waiting';
CREATE INDEX dead_letters_settled ON dead_letters (state_since) WHERE state <> 'waiting';

-- What operators did with them. Goes with the letter, after the retention.
CREATE TABLE dead_letter_actions (
    dead_letter_id uuid NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
    acted_at       timestamptz NOT NULL DEFAULT now(),
    action         text NOT NULL CHECK (action IN ('replayed', 'discarded')),
    operator       text NOT NULL,
    because        text CHECK (action <> 'discarded' OR because <> '')
);
CREATE INDEX dead_letter_actions_letter ON dead_letter_actions (dead_letter_id, acted_at);
