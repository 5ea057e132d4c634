-- One file told again what another one had told first, requests aside: `sightings` knows those. When the teller is
-- rewritten, the repeater is read again.
CREATE TABLE repeats (
  teller_id   INTEGER NOT NULL,
  repeater_id INTEGER NOT NULL,
  PRIMARY KEY (teller_id, repeater_id)
) STRICT, WITHOUT ROWID;
