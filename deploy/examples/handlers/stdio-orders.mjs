// A co-process that works on many messages at once:
//   sluice-worker --handler stdio --stdio-in-flight 16 -- node deploy/examples/handlers/stdio-orders.mjs
//
// One JSON line a message on standard input, one JSON line a result on standard output, in any order. Standard output
// is for results alone: console.error() is for the log.
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";

const path = process.env.ORDERS_LOG ?? "orders.log";
const log = await open(path, "a");
const canceled = new Set();

async function handle(message) {
  let order;
  try {
    order = JSON.parse(message.body);
  } catch (error) {
    return { result: "reject", reason: `no order: ${error.message}` };
  }
  if (typeof order?.order_id !== "string") return { result: "reject", reason: "no order_id" };
  if (existsSync(`${path}.closed`)) return { result: "retry", delay_s: 30, reason: "closed for now" };
  await new Promise((resolve) => setTimeout(resolve, 5)); // where a real one would wait for its database
  // Somebody else may have the message by now: what cannot be undone is left to him.
  if (canceled.has(message.id)) return { result: "failed", reason: "canceled" };
  await log.appendFile(`${message.id} ${order.order_id}\n`);
  return { ok: true };
}

async function answer(message) {
  let result;
  try {
    result = await handle(message);
  } catch (error) {
    result = { result: "failed", reason: String(error) };
  }
  canceled.delete(message.id);
  process.stdout.write(`${JSON.stringify({ ...result, id: message.id })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.cancel !== undefined) canceled.add(message.cancel);
  else void answer(message);
}
