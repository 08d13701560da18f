#!/bin/sh
# A program for one message: sluice-worker --handler exec -- deploy/examples/handlers/exec-orders.sh
# Standard input is the message's body, SQS_* variables say the rest, the exit code is the verdict: 0 handled (the
# message is deleted), 75 not now, 65 never, anything else failed.
set -eu
log=${ORDERS_LOG:-orders.log}

body=$(cat)
case $body in
'{'*'}') ;;
*)
    echo "no JSON object" >&2
    exit 65
    ;;
esac
if [ -e "$log.closed" ]; then
    echo "$log is closed for now" >&2
    exit 75
fi
# One write, so that programs that run at once do not mix their lines.
printf '%s %s\n' "$SQS_MESSAGE_ID" "$body" >>"$log"
