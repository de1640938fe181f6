#!/bin/sh
# Runs once, when the volume is empty: the database and a login for each service.
set -eu
password() { cat "/run/secrets/$1"; }
psql --set ON_ERROR_STOP=1 --username postgres \
  --set migrate="$(password migrate_password)" \
  --set collector="$(password collector_password)" \
  --set api="$(password api_password)" <<'SQL'
CREATE ROLE goldseam_migrate LOGIN CREATEROLE PASSWORD :'migrate';
CREATE ROLE goldseam_collector LOGIN NOINHERIT CONNECTION LIMIT 10 PASSWORD :'collector';
CREATE ROLE goldseam_server LOGIN NOINHERIT CONNECTION LIMIT 20 PASSWORD :'api';
CREATE DATABASE goldseam OWNER goldseam_migrate;
REVOKE CONNECT, TEMPORARY ON DATABASE goldseam FROM PUBLIC;
GRANT CONNECT ON DATABASE goldseam TO goldseam_collector, goldseam_server;
SQL
