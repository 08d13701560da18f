//go:build v1

package main

import (
	"strconv"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sqs"
)

type clientV1 struct {
	sqs   *sqs.SQS
	ask   *sqs.ReceiveMessageInput
	queue *string
	ids   [batchMax]*string
}

func newClient(s settings) client {
	config := aws.NewConfig().
		WithRegion(s.region).
		WithEndpoint(s.endpoint).
		WithCredentials(credentials.NewStaticCredentials(s.accessKey, s.secretKey, "")).
		WithHTTPClient(httpClient())
	config.DisableParamValidation = aws.Bool(true)
	c := &clientV1{sqs: sqs.New(session.Must(session.NewSession(config))), queue: aws.String(s.queueURL)}
	c.ask = &sqs.ReceiveMessageInput{
		QueueUrl:            c.queue,
		MaxNumberOfMessages: aws.Int64(batchMax),
		WaitTimeSeconds:     aws.Int64(waitSeconds),
		VisibilityTimeout:   aws.Int64(visibilityS),
		AttributeNames:      aws.StringSlice([]string{"ApproximateReceiveCount", "SentTimestamp"}),
	}
	for i := range c.ids {
		c.ids[i] = aws.String(strconv.Itoa(i))
	}
	return c
}

func (c *clientV1) receive() ([]message, error) {
	reply, err := c.sqs.ReceiveMessage(c.ask)
	if err != nil {
		return nil, err
	}
	messages := make([]message, len(reply.Messages))
	for i, m := range reply.Messages {
		messages[i] = message{body: *m.Body, receipt: *m.ReceiptHandle}
	}
	return messages, nil
}

func (c *clientV1) delete(receipts []string) ([]int, error) {
	entries := make([]*sqs.DeleteMessageBatchRequestEntry, len(receipts))
	for i := range receipts {
		entries[i] = &sqs.DeleteMessageBatchRequestEntry{Id: c.ids[i], ReceiptHandle: &receipts[i]}
	}
	reply, err := c.sqs.DeleteMessageBatch(&sqs.DeleteMessageBatchInput{QueueUrl: c.queue, Entries: entries})
	if err != nil {
		return nil, err
	}
	var failed []int
	for _, entry := range reply.Failed {
		i, _ := strconv.Atoi(*entry.Id)
		failed = append(failed, i)
	}
	return failed, nil
}
