// A worker of 100 goroutines as one would write it by hand on the AWS SDK for Go, made as fast as it gets:
// a few receivers with long polls of ten messages, a channel to the goroutines that handle, a channel to a
// collector that deletes in batches of ten or after 5 ms. The SDK is behind the type client; sdk_v1.go and
// sdk_v2.go implement it.
//
// Settings are those of tests/bench/worker: BENCH_QUEUE_URL, BENCH_THREADS, BENCH_TIME_MS, BENCH_SLOW_SHARE,
// BENCH_SLOW_TIME_MS, BENCH_SEED; AWS_ENDPOINT_URL, AWS_REGION and keys as usual.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	batchMax     = 10
	waitSeconds  = 20
	visibilityS  = 30
	deleteLinger = 5 * time.Millisecond
	deleteTries  = 5
)

type message struct {
	body, receipt string
}

type client interface {
	// Up to ten messages after a long poll.
	receive() ([]message, error)
	// Deletes up to ten; returns the positions of those that were not deleted.
	delete(receipts []string) ([]int, error)
}

type settings struct {
	queueURL, endpoint, region, accessKey, secretKey string
	threads, receivers                               int
	time, slowTime                                   time.Duration
	slowShare                                        float64
	seed                                             uint32
}

func number(name string, fallback float64) float64 {
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s=%s: want a number\n", name, text)
		os.Exit(64)
	}
	return value
}

func readSettings() settings {
	return settings{
		queueURL:  os.Getenv("BENCH_QUEUE_URL"),
		endpoint:  os.Getenv("AWS_ENDPOINT_URL"),
		region:    os.Getenv("AWS_REGION"),
		accessKey: os.Getenv("AWS_ACCESS_KEY_ID"),
		secretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		threads:   int(number("BENCH_THREADS", 100)),
		receivers: int(number("BENCH_RECEIVERS", 5)),
		time:      time.Duration(number("BENCH_TIME_MS", 0) * float64(time.Millisecond)),
		slowTime:  time.Duration(number("BENCH_SLOW_TIME_MS", 0) * float64(time.Millisecond)),
		slowShare: number("BENCH_SLOW_SHARE", 0),
		seed:      uint32(number("BENCH_SEED", 0)),
	}
}

// Connections stay open, enough of them for every call that may run at once; no compression.
func httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      32 << 10,
		WriteBufferSize:     16 << 10,
	}}
}

// The choice of slow messages that worker/noop.c documents.
func hash(text string, seed uint32) uint32 {
	h := uint32(2166136261) ^ seed
	for i := 0; i < len(text); i++ {
		h = (h ^ uint32(text[i])) * 16777619
	}
	h = (h ^ (h >> 16)) * 0x85ebca6b
	h = (h ^ (h >> 13)) * 0xc2b2ae35
	return h ^ (h >> 16)
}

func (s *settings) handle(m message) {
	span := s.time
	if s.slowShare > 0 && float64(hash(m.body, s.seed))/4294967296.0 < s.slowShare {
		span = s.slowTime
	}
	if span > 0 {
		time.Sleep(span)
	}
}

func receiveForEver(c client, out chan<- message) {
	for {
		messages, err := c.receive()
		if err != nil {
			fmt.Fprintln(os.Stderr, "receive:", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		for _, m := range messages {
			out <- m
		}
	}
}

func deleteBatch(c client, receipts []string) {
	for try := 0; len(receipts) > 0 && try < deleteTries; try++ {
		failed, err := c.delete(receipts)
		if err != nil {
			fmt.Fprintln(os.Stderr, "delete:", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		var again []string
		for _, i := range failed {
			again = append(again, receipts[i])
		}
		receipts = again
	}
}

// Takes what is there, sends ten as soon as there are ten, fewer when the first has waited long enough.
func deleteForEver(c client, in <-chan string) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		receipts := append(make([]string, 0, batchMax), <-in)
		timer.Reset(deleteLinger)
		late := false
		for len(receipts) < batchMax && !late {
			select {
			case receipt := <-in:
				receipts = append(receipts, receipt)
			case <-timer.C:
				late = true
			}
		}
		if !late && !timer.Stop() {
			select {
			case <-timer.C:
			default:
			}
		}
		go deleteBatch(c, receipts)
	}
}

func main() {
	s := readSettings()
	c := newClient(s)
	messages := make(chan message)
	done := make(chan string, s.threads)
	for i := 0; i < s.threads; i++ {
		go func() {
			for m := range messages {
				s.handle(m)
				done <- m.receipt
			}
		}()
	}
	go deleteForEver(c, done)
	for i := 0; i < s.receivers-1; i++ {
		go receiveForEver(c, messages)
	}
	receiveForEver(c, messages)
}
