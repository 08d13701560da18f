// bbc/sqs-consumer on the AWS SDK for JavaScript, as its README shows it. BENCH_SHAPE:
//   default   one consumer, batchSize 1, handleMessage, as it is when nothing is set
//   batch     BENCH_THREADS / 10 consumers, batchSize 10, handleMessageBatch: its fastest shape
// Other settings are those of tests/bench/worker, see go/loop.go.
import { SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';

const setting = (name) => Number(process.env[name] || 0);
const threads = setting('BENCH_THREADS') || 100;
const timeMs = setting('BENCH_TIME_MS');
const slowTimeMs = setting('BENCH_SLOW_TIME_MS');
const slowShare = setting('BENCH_SLOW_SHARE');
const seed = setting('BENCH_SEED') >>> 0;
const isDefault = process.env.BENCH_SHAPE === 'default';

// The choice of slow messages that worker/noop.c documents.
function hash(text) {
  let h = (2166136261 ^ seed) >>> 0;
  for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 16777619);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

async function handle(message) {
  const isSlow = slowShare > 0 && hash(message.Body) / 4294967296 < slowShare;
  const ms = isSlow ? slowTimeMs : timeMs;
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  return message;
}

const sqs = new SQSClient({
  endpoint: process.env.AWS_ENDPOINT_URL,
  region: process.env.AWS_REGION,
  requestHandler: { httpAgent: { keepAlive: true, maxSockets: 256 } },
});
const shape = isDefault
  ? { handleMessage: handle }
  : {
      batchSize: 10,
      visibilityTimeout: 30,
      messageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
      handleMessageBatch: (messages) => Promise.all(messages.map(handle)),
    };

for (let i = 0; i < (isDefault ? 1 : threads / 10); i++) {
  const consumer = Consumer.create({ queueUrl: process.env.BENCH_QUEUE_URL, sqs, waitTimeSeconds: 20, ...shape });
  for (const event of ['error', 'processing_error', 'timeout_error']) {
    consumer.on(event, (error) => console.error(event, error.message));
  }
  consumer.start();
}
