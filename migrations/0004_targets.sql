-- What all workers know about a target: whether it wants to be left alone, and until when.
CREATE TABLE targets (
    target       text PRIMARY KEY,
    paused_until timestamptz,
    failures     integer NOT NULL DEFAULT 0,   -- calls in a row that did not reach it
    reason       text,
    changed_at   timestamptz NOT NULL DEFAULT now()
);
