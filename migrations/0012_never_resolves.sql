-- Whether nothing that Azure sends will ever resolve the alert. Of those heard before, the payload alone tells.
ALTER TABLE alerts ADD COLUMN never_resolves boolean NOT NULL DEFAULT false;
