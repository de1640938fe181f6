#!/bin/sh
# Builds GOLDSEAM_DATABASE_URL from a login and a password that is a file, then runs the command.
set -eu
if [ -n "${GOLDSEAM_DATABASE_PASSWORD_FILE:-}" ]; then
  password=$(cat "$GOLDSEAM_DATABASE_PASSWORD_FILE")
  GOLDSEAM_DATABASE_URL="postgresql://$GOLDSEAM_DATABASE_USER:$password@postgres:5432/goldseam"
  export GOLDSEAM_DATABASE_URL
fi
exec "$@"
