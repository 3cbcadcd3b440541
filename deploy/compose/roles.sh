#!/bin/sh
# The roles and databases, made once, when PostgreSQL's volume is empty. The passwords are those of the secrets' URLs.
set -eu

password() { sed -E 's#^[^:]+://[^:]+:([^@]+)@.*#\1#' "/run/secrets/$1"; }

psql -v ON_ERROR_STOP=1 --username postgres \
  -v owner="$(password database_owner_url)" -v app="$(password database_url)" \
  -v system="$(password database_system_url)" -v inngest="$(password inngest_database_url)" <<'SQL'
CREATE ROLE riveredge_owner LOGIN PASSWORD :'owner';
CREATE ROLE riveredge_app LOGIN PASSWORD :'app';
CREATE ROLE riveredge_system LOGIN PASSWORD :'system' BYPASSRLS;
CREATE ROLE inngest LOGIN PASSWORD :'inngest';
CREATE DATABASE riveredge OWNER riveredge_owner;
CREATE DATABASE inngest OWNER inngest;
REVOKE CONNECT ON DATABASE riveredge FROM PUBLIC;
GRANT CONNECT ON DATABASE riveredge TO riveredge_app, riveredge_system;
REVOKE CONNECT ON DATABASE inngest FROM PUBLIC;
SQL
