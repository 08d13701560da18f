//go:build v2

package main

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

type clientV2 struct {
	sqs   *sqs.Client
	ask   *sqs.ReceiveMessageInput
	queue *string
	ids   [batchMax]*string
}

func newClient(s settings) client {
	keys := aws.Credentials{AccessKeyID: s.accessKey, SecretAccessKey: s.secretKey, Source: "environment"}
	c := &clientV2{queue: aws.String(s.queueURL)}
	c.sqs = sqs.New(sqs.Options{
		Region:       s.region,
		BaseEndpoint: aws.String(s.endpoint),
		HTTPClient:   httpClient(),
		Credentials: aws.NewCredentialsCache(
			aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })),
	})
	c.ask = &sqs.ReceiveMessageInput{
		QueueUrl:            c.queue,
		MaxNumberOfMessages: batchMax,
		WaitTimeSeconds:     waitSeconds,
		VisibilityTimeout:   visibilityS,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp,
		},
	}
	for i := range c.ids {
		c.ids[i] = aws.String(strconv.Itoa(i))
	}
	return c
}

func (c *clientV2) receive() ([]message, error) {
	reply, err := c.sqs.ReceiveMessage(context.Background(), c.ask)
	if err != nil {
		return nil, err
	}
	messages := make([]message, len(reply.Messages))
	for i := range reply.Messages {
		messages[i] = message{body: *reply.Messages[i].Body, receipt: *reply.Messages[i].ReceiptHandle}
	}
	return messages, nil
}

func (c *clientV2) delete(receipts []string) ([]int, error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(receipts))
	for i := range receipts {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: c.ids[i], ReceiptHandle: &receipts[i]}
	}
	reply, err := c.sqs.DeleteMessageBatch(context.Background(),
		&sqs.DeleteMessageBatchInput{QueueUrl: c.queue, Entries: entries})
	if err != nil {
		return nil, err
	}
	var failed []int
	for i := range reply.Failed {
		position, _ := strconv.Atoi(*reply.Failed[i].Id)
		failed = append(failed, position)
	}
	return failed, nil
}
