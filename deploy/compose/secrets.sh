#!/bin/sh
# Makes the secrets of compose.yaml in ./secrets, once; what is there stays. Keep a copy apart from the back-ups.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

make() {
  [ -s "secrets/$1" ] || printf '%s' "$2" >"secrets/$1"
  # Readable by the platform's account inside the containers; the directory is closed to everybody else.
  chmod 0444 "secrets/$1"
}
random() { openssl rand -hex 24; }

make postgres_password "$(random)"
make database_owner_url "postgresql+asyncpg://riveredge_owner:$(random)@database/riveredge"
make database_url "postgresql+asyncpg://riveredge_app:$(random)@database/riveredge"
make database_system_url "postgresql+asyncpg://riveredge_system:$(random)@database/riveredge"
make inngest_database_url "postgres://inngest:$(random)@database/inngest?sslmode=disable"
make inngest_event_key "$(random)"
make inngest_signing_key "$(openssl rand -hex 32)"
# A Fernet key: 32 bytes, URL-safe base64.
make secret_keys "$(openssl rand -base64 32 | tr '+/' '-_')"
make token_key "$(openssl genpkey -algorithm ed25519)"
