// Scenarios of the AWS SDK for JavaScript v3 against sluice-localaws: the same as localaws_boto3.py plays.
//
//     node localaws_scenarios.js NPM_PREFIX URL SCENARIO      ends with 0 when all assertions held
//     node localaws_scenarios.js NPM_PREFIX --list            prints the names of the scenarios
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const http = require('node:http');
const path = require('node:path');
const { createRequire } = require('node:module');

const [prefix, url, wanted] = process.argv.slice(2);
const sdk = createRequire(path.join(path.resolve(prefix), 'x.js'))('@aws-sdk/client-sqs');

function newClient(credentials) {
  return new sdk.SQSClient({ endpoint: url, maxAttempts: 1, ...(credentials && { credentials }) });
}

const client = url.startsWith('http') ? newClient() : null;

// call('SendMessage', {...}) sends new SendMessageCommand({...}).
function callWith(who, operation, input = {}) {
  return who.send(new sdk[`${operation}Command`](input));
}
const call = (operation, input) => callWith(client, operation, input);

// The call fails with the SDK's class for this error.
async function raises(name, operation, input) {
  const error = await call(operation, input).then(() => assert.fail(`no ${name}`), (e) => e);
  assert.equal(error.name, name, String(error));
  assert.ok(error instanceof sdk[name], `${name} is not the SDK's class`);
  return error;
}

// The call fails with a code that has no class of its own.
async function fails(pattern, operation, input, who = client) {
  const error = await callWith(who, operation, input).then(() => assert.fail(`no ${pattern}`), (e) => e);
  assert.match(`${error.name} ${error.Code} ${error.Error?.Code}`, pattern, String(error));
  return error;
}

const create = async (name, attributes = {}) =>
  (await call('CreateQueue', { QueueName: name, Attributes: attributes })).QueueUrl;

async function one(queue, options = {}) {
  const { Messages } = await call('ReceiveMessage', { QueueUrl: queue, ...options });
  assert.equal(Messages?.length, 1);
  return Messages[0];
}

async function none(queue, options = {}) {
  const { Messages } = await call('ReceiveMessage', { QueueUrl: queue, ...options });
  assert.equal(Messages?.length ?? 0, 0);
}

async function counts(queue) {
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'];
  const { Attributes } = await call('GetQueueAttributes', { QueueUrl: queue, AttributeNames: names });
  return names.map((n) => Number(Attributes[n]));
}

const md5 = (text) => crypto.createHash('md5').update(text, 'utf8').digest('hex');

function request(method, target, body) {
  return new Promise((resolve, reject) => {
    const req = http.request(url + target, { method }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += chunk));
      res.on('end', () => resolve(JSON.parse(text)));
    });
    req.on('error', reject);
    req.end(body);
  });
}

const scenarios = {
  async queues() {
    const first = await create('first', { VisibilityTimeout: '45' });
    assert.equal(first, `${url}/123456789012/first`);
    assert.equal(await create('first', { VisibilityTimeout: '45' }), first);
    await raises('QueueNameExists', 'CreateQueue', { QueueName: 'first', Attributes: { VisibilityTimeout: '46' } });
    const second = await create('second');
    assert.equal((await call('GetQueueUrl', { QueueName: 'second' })).QueueUrl, second);
    assert.deepEqual((await call('ListQueues')).QueueUrls, [first, second]);
    assert.deepEqual((await call('ListQueues', { QueueNamePrefix: 's' })).QueueUrls, [second]);
    const page = await call('ListQueues', { MaxResults: 1 });
    assert.deepEqual((await call('ListQueues', { MaxResults: 1, NextToken: page.NextToken })).QueueUrls, [second]);

    await call('SetQueueAttributes', { QueueUrl: second, Attributes: { DelaySeconds: '3' } });
    const { Attributes } = await call('GetQueueAttributes', { QueueUrl: second, AttributeNames: ['All'] });
    assert.equal(Attributes.DelaySeconds, '3');
    assert.equal(Attributes.QueueArn, 'arn:aws:sqs:us-east-1:123456789012:second');
    await call('TagQueue', { QueueUrl: second, Tags: { team: 'shop', stage: 'test' } });
    await call('UntagQueue', { QueueUrl: second, TagKeys: ['team'] });
    assert.deepEqual((await call('ListQueueTags', { QueueUrl: second })).Tags, { stage: 'test' });
    await call('DeleteQueue', { QueueUrl: second });
    await raises('QueueDoesNotExist', 'GetQueueUrl', { QueueName: 'second' });
    await raises('QueueDeletedRecently', 'CreateQueue', { QueueName: 'second' });
  },

  // The SDK checks the digest of bodies itself, on send and on receive.
  async messages() {
    const queue = await create('messages');
    const body = 'an "order" <with> & é 😀 \t\n\r of all kinds';
    const attributes = {
      City: { DataType: 'String', StringValue: 'Any City' },
      Greeting: { DataType: 'Binary', BinaryValue: new TextEncoder().encode('Hello, World!') },
      Population: { DataType: 'Number', StringValue: '1250800' },
    };
    const sent = await call('SendMessage', { QueueUrl: queue, MessageBody: body, MessageAttributes: attributes });
    assert.equal(sent.MD5OfMessageBody, md5(body));
    assert.equal(sent.MD5OfMessageAttributes, '28eb0e573cf8e8a77e349a2f968eac4a');
    let m = await one(queue, { MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'], VisibilityTimeout: 0 });
    assert.equal(m.Body, body);
    assert.equal(m.MessageId, sent.MessageId);
    assert.equal(m.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
    assert.equal(Buffer.from(m.MessageAttributes.Greeting.BinaryValue).toString(), 'Hello, World!');
    assert.equal(m.Attributes.ApproximateReceiveCount, '1');
    m = await one(queue, { MessageAttributeNames: ['C*', 'Pop.*', 'City'] });
    assert.deepEqual(Object.keys(m.MessageAttributes), ['City']);
    await call('DeleteMessage', { QueueUrl: queue, ReceiptHandle: m.ReceiptHandle });
    await call('DeleteMessage', { QueueUrl: queue, ReceiptHandle: m.ReceiptHandle });
    assert.deepEqual(await counts(queue), [0, 0]);
    await none(queue);
    const large = 'x'.repeat(1048576);
    await call('SendMessage', { QueueUrl: queue, MessageBody: large });
    assert.equal((await one(queue)).Body, large);
  },

  async batches() {
    const queue = await create('batches', { MaximumMessageSize: '1024' });
    let reply = await call('SendMessageBatch', {
      QueueUrl: queue,
      Entries: [
        { Id: 'good', MessageBody: 'a' },
        { Id: 'characters', MessageBody: 'b\x01' },
        { Id: 'size', MessageBody: 'c'.repeat(1025) },
        { Id: 'also-good_2', MessageBody: 'e' },
      ],
    });
    assert.deepEqual(reply.Successful.map((e) => e.Id), ['good', 'also-good_2']);
    assert.deepEqual(reply.Failed.map((e) => [e.Id, e.Code, e.SenderFault]), [
      ['characters', 'InvalidMessageContents', true],
      ['size', 'InvalidParameterValue', true],
    ]);
    const { Messages } = await call('ReceiveMessage', { QueueUrl: queue, MaxNumberOfMessages: 10 });
    const handles = Messages.map((m) => m.ReceiptHandle);
    assert.equal(handles.length, 2);
    reply = await call('ChangeMessageVisibilityBatch', {
      QueueUrl: queue,
      Entries: [
        { Id: '1', ReceiptHandle: handles[0], VisibilityTimeout: 0 },
        { Id: '2', ReceiptHandle: handles[1], VisibilityTimeout: 43200 },
      ],
    });
    assert.deepEqual(reply.Successful.map((e) => e.Id), ['1']);
    assert.deepEqual(reply.Failed.map((e) => [e.Id, e.Code]), [['2', 'InvalidParameterValue']]);
    reply = await call('DeleteMessageBatch', {
      QueueUrl: queue,
      Entries: [{ Id: 'bad', ReceiptHandle: 'garbage' }, { Id: 'good', ReceiptHandle: handles[1] }],
    });
    assert.deepEqual(reply.Successful.map((e) => e.Id), ['good']);
    assert.deepEqual(reply.Failed.map((e) => [e.Id, e.Code]), [['bad', 'ReceiptHandleIsInvalid']]);
    assert.deepEqual(await counts(queue), [1, 0]);
  },

  async long_poll() {
    const queue = await create('polls');
    const poll = call('ReceiveMessage', { QueueUrl: queue, WaitTimeSeconds: 20, MaxNumberOfMessages: 10 });
    const deadline = Date.now() + 60000;
    while ((await request('GET', '/_localaws/stats')).queues.polls.waiting_receives === 0) {
      assert.ok(Date.now() < deadline);
    }
    const Entries = [...Array(10).keys()].map((i) => ({ Id: String(i), MessageBody: String(i) }));
    await call('SendMessageBatch', { QueueUrl: queue, Entries });
    assert.equal((await poll).Messages.length, 10);
    await none(queue, { WaitTimeSeconds: 1 });
  },

  async visibility() {
    const queue = await create('visibility', { VisibilityTimeout: '600' });
    await call('SendMessage', { QueueUrl: queue, MessageBody: 'm' });
    const first = await one(queue);
    const change = { QueueUrl: queue, ReceiptHandle: first.ReceiptHandle };
    await call('ChangeMessageVisibility', { ...change, VisibilityTimeout: 0 });
    await raises('MessageNotInflight', 'ChangeMessageVisibility', { ...change, VisibilityTimeout: 10 });
    const second = await one(queue, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
    assert.equal(second.Attributes.ApproximateReceiveCount, '2');
    await call('DeleteMessage', { QueueUrl: queue, ReceiptHandle: first.ReceiptHandle });
    assert.deepEqual(await counts(queue), [0, 1]);
    await call('DeleteMessage', { QueueUrl: queue, ReceiptHandle: second.ReceiptHandle });
    assert.deepEqual(await counts(queue), [0, 0]);
  },

  async dead_letters() {
    const dead = await create('dead');
    const { Attributes } = await call('GetQueueAttributes', { QueueUrl: dead, AttributeNames: ['QueueArn'] });
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 2 });
    const queue = await create('source', { RedrivePolicy });
    assert.deepEqual((await call('ListDeadLetterSourceQueues', { QueueUrl: dead })).queueUrls, [queue]);
    const sent = await call('SendMessage', { QueueUrl: queue, MessageBody: 'poison' });
    await one(queue, { VisibilityTimeout: 0 });
    await one(queue, { VisibilityTimeout: 0 });
    await none(queue);
    const m = await one(dead, { MessageSystemAttributeNames: ['All'] });
    assert.equal(m.MessageId, sent.MessageId);
    assert.match(m.Attributes.DeadLetterQueueSourceArn, /:source$/);
  },

  async purge() {
    const queue = await create('purged');
    await call('SendMessage', { QueueUrl: queue, MessageBody: 'm' });
    await call('PurgeQueue', { QueueUrl: queue });
    assert.deepEqual(await counts(queue), [0, 0]);
    await raises('PurgeQueueInProgress', 'PurgeQueue', { QueueUrl: queue });
  },

  async errors() {
    const queue = await create('errors');
    const entry = { Id: '1', MessageBody: 'm' };
    const batch = (Entries) => ({ QueueUrl: queue, Entries });
    await raises('QueueDoesNotExist', 'SendMessage', { QueueUrl: `${queue}x`, MessageBody: 'm' });
    await raises('ReceiptHandleIsInvalid', 'DeleteMessage', { QueueUrl: queue, ReceiptHandle: 'garbage' });
    await raises('InvalidMessageContents', 'SendMessage', { QueueUrl: queue, MessageBody: '\x01' });
    await raises('EmptyBatchRequest', 'SendMessageBatch', batch([]));
    await raises('TooManyEntriesInBatchRequest', 'SendMessageBatch',
      batch([...Array(11).keys()].map((i) => ({ Id: String(i), MessageBody: 'm' }))));
    await raises('BatchEntryIdsNotDistinct', 'SendMessageBatch', batch([entry, entry]));
    await raises('InvalidBatchEntryId', 'SendMessageBatch', batch([{ Id: 'a b', MessageBody: 'm' }]));
    await raises('BatchRequestTooLong', 'SendMessageBatch',
      batch(['1', '2'].map((Id) => ({ Id, MessageBody: 'm'.repeat(600000) }))));
    await raises('InvalidAttributeName', 'GetQueueAttributes', { QueueUrl: queue, AttributeNames: ['Nonsense'] });
    await fails(/InvalidParameterValue/, 'CreateQueue', { QueueName: 'a.fifo' });
    await raises('InvalidAttributeValue', 'SetQueueAttributes', { QueueUrl: queue, Attributes: { DelaySeconds: '901' } });
    await fails(/InvalidParameterValue/, 'ReceiveMessage', { QueueUrl: queue, WaitTimeSeconds: 21 });
    for (const code of ['OverLimit', 'RequestThrottled']) {
      const rule = { operation: 'ReceiveMessage', kind: 'error', code, count: 1 };
      await request('POST', '/_localaws/faults', JSON.stringify(rule));
      await raises(code, 'ReceiveMessage', { QueueUrl: queue });
    }
  },

  async wrong_secret() {
    const wrong = newClient({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wrong' });
    let error = await fails(/SignatureDoesNotMatch/, 'ListQueues', {}, wrong);
    assert.equal(error.$metadata.httpStatusCode, 403);
    const other = newClient({ accessKeyId: 'AKIDOTHER', secretAccessKey: 'wrong' });
    error = await fails(/InvalidClientTokenId/, 'ListQueues', {}, other);
    assert.equal(error.$metadata.httpStatusCode, 403);
    await call('ListQueues');
  },
};

if (url === '--list') {
  console.log(Object.keys(scenarios).join('\n'));
} else {
  scenarios[wanted]().then(() => client.destroy(), (error) => {
    console.error(error);
    process.exit(1);
  });
}
