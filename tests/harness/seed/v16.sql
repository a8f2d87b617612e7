-- What 16 and later have: memberships with options.
GRANT seed_other TO seed_creator WITH INHERIT FALSE, SET FALSE;
GRANT seed_owner TO "seed-dash role" WITH INHERIT TRUE, SET FALSE, ADMIN FALSE;
