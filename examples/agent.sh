#!/bin/sh
# Reads a secret from the Strongroom agent of this machine: agent.sh secret://prod/db-password
# The value goes to standard output, and nothing else does; it is never in an argument; a failure is a failure.
exec curl --silent --show-error --fail --get \
    --unix-socket "${STRONGROOM_AGENT_SOCKET:-/run/strongroom/agent.sock}" \
    --data-urlencode "ref=$1" http://localhost/v1/secrets
