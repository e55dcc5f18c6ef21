// Store operations by go-redis: program URL CA_FILE OPERATION RATE SECONDS. What it reads and prints
// is said in redis_clients.py. One goroutine for each operation, as a server has one for each
// request, and a pool of ten connections.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const connections = 10

type job struct {
	Script    string   `json:"script"`
	Keys      []string `json:"keys"`
	Arguments []string `json:"arguments"`
}

type report struct {
	Asked   int       `json:"asked"`
	Errors  int64     `json:"errors"`
	CpuUs   float64   `json:"cpu_us"`
	Seconds float64   `json:"seconds"`
	Us      []float64 `json:"us"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(url, caFile string) *redis.Client {
	options, err := redis.ParseURL(url)
	must(err)
	if options.TLSConfig != nil {
		pem, err := os.ReadFile(caFile)
		must(err)
		options.TLSConfig.RootCAs = x509.NewCertPool()
		options.TLSConfig.RootCAs.AppendCertsFromPEM(pem)
		options.TLSConfig.MinVersion = tls.VersionTLS12
	}
	options.PoolSize = connections
	options.MinIdleConns = connections
	return redis.NewClient(options)
}

// time.Sleep may oversleep by a millisecond, which would count as the client's.
func sleepUntil(due time.Time) {
	if wait := time.Until(due); wait > 0 {
		left := syscall.NsecToTimespec(wait.Nanoseconds())
		syscall.Nanosleep(&left, nil)
	}
}

func cpuUs() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1000
}

func run(execute func() error, rate float64, seconds float64) report {
	asked := int(rate * seconds)
	gap := time.Duration(float64(time.Second) / rate)
	us := make([]float64, asked)
	var errors atomic.Int64
	var under sync.WaitGroup
	cpu := cpuUs()
	start := time.Now()
	giveUp := start.Add(time.Duration(2 * seconds * float64(time.Second)))
	begun := 0
	for ; begun < asked && time.Now().Before(giveUp); begun++ {
		due := start.Add(time.Duration(begun) * gap)
		sleepUntil(due)
		under.Add(1)
		go func(slot *float64) {
			defer under.Done()
			if execute() != nil {
				errors.Add(1)
			}
			*slot = float64(time.Since(due).Nanoseconds()) / 1000
		}(&us[begun])
	}
	under.Wait()
	return report{asked, errors.Load(), cpuUs() - cpu, time.Since(start).Seconds(), us[:begun]}
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: program URL CA_FILE OPERATION RATE SECONDS")
		os.Exit(2)
	}
	rate, err := strconv.ParseFloat(os.Args[4], 64)
	must(err)
	seconds, err := strconv.ParseFloat(os.Args[5], 64)
	must(err)
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	must(err)
	var words job
	must(json.Unmarshal(line, &words))

	ctx := context.Background()
	client := open(os.Args[1], os.Args[2])
	sum, err := client.ScriptLoad(ctx, words.Script).Result()
	must(err)
	arguments := make([]any, len(words.Arguments))
	for i, argument := range words.Arguments {
		arguments[i] = argument
	}
	execute := func() error {
		answer, err := client.EvalSha(ctx, sum, words.Keys, arguments...).Slice()
		if err == nil && (len(answer) != 5 || answer[0] != "ok") {
			err = fmt.Errorf("answered %v", answer)
		}
		return err
	}
	must(execute())
	if warm := run(execute, rate, 0.5); warm.Errors > 0 {
		fmt.Fprintln(os.Stderr, "operations failed")
		os.Exit(1)
	}
	fmt.Println("ready")
	_, err = input.ReadBytes('\n')
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(run(execute, rate, seconds)))
}
