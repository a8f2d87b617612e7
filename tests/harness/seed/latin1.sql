SET client_encoding TO 'UTF8';
CREATE TABLE "übergröße" (id int PRIMARY KEY, "straße" text DEFAULT 'Grüße');
INSERT INTO "übergröße" VALUES (1, 'Ärger'), (2, 'naïveté'), (3, DEFAULT);
