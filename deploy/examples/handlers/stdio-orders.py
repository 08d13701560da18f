#!/usr/bin/env python3
"""A co-process: sluice-worker --handler stdio -- python3 deploy/examples/handlers/stdio-orders.py

One JSON line a message on standard input, one JSON line a result on standard output. Standard output is for results
alone: print to standard error what is for the log.
"""
import json
import os
import sys


def handle(message, log):
    """Returns the result of one message."""
    try:
        order = json.loads(message["body"])
        order_id = order["order_id"]
    except (ValueError, TypeError, KeyError) as error:
        return {"result": "reject", "reason": f"no order: {error!r}"}
    if os.path.exists(log.name + ".closed"):
        return {"result": "retry", "delay_s": 30, "reason": "closed for now"}
    log.write(f"{message['id']} {order_id}\n")
    return {"ok": True}


def main():
    with open(os.environ.get("ORDERS_LOG", "orders.log"), "a", buffering=1, encoding="utf-8") as log:
        while line := sys.stdin.readline():
            message = json.loads(line)
            try:
                result = handle(message, log)
            except Exception as error:  # one bad message does not end the process
                result = {"result": "failed", "reason": repr(error)}
            result["id"] = message["id"]
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
