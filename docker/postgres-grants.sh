#!/bin/sh
# Runs after each migration: each login may become the roles that it needs, and no other.
set -eu
PGPASSWORD=$(cat /run/secrets/migrate_password)
export PGPASSWORD
psql --set ON_ERROR_STOP=1 --host postgres --username goldseam_migrate --dbname goldseam \
  --set grafana="$(cat /run/secrets/grafana_ro_password)" <<'SQL'
-- The collector creates the partitions of the next days, which only their owner may, and looks up
-- the keys of its senders, which the API's role may.
GRANT goldseam_writer, goldseam_owner, goldseam_api TO goldseam_collector
  WITH INHERIT FALSE, SET TRUE;
-- Without goldseam_owner the API cannot drop old days; `goldseam db` can.
GRANT goldseam_api TO goldseam_server WITH INHERIT FALSE, SET TRUE;
ALTER ROLE grafana_ro PASSWORD :'grafana';
SQL
