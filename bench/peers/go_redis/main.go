// One process of a fleet under gobreaker: paced BREAKER HOST:PORT NAME CALLS_PER_SECOND, where
// BREAKER is gobreaker-redis or gobreaker. See compare.py for what it reads and prints.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"time"

	"github.com/sony/gobreaker/v2"
)

type report struct {
	Asked   int       `json:"asked"`
	Healthy int       `json:"healthy"`
	Failed  []float64 `json:"failed_ms"`
	Errors  int       `json:"errors"`
	Us      []float64 `json:"us"`
}

var errDependency = errors.New("dependency failed")

type breaker interface {
	Execute(func() (int, error)) (int, error)
}

func phase(b breaker, rate float64, begin, failFrom, end int64, failShare float64) report {
	r := report{Failed: []float64{}, Us: []float64{}}
	gap := time.Duration(float64(time.Second) / rate)
	due := time.UnixMilli(begin).Add(time.Duration(rand.Float64() * float64(gap)))
	for {
		time.Sleep(time.Until(due))
		// What was missed meanwhile is not made up for.
		if late := time.Now().Add(-100 * time.Millisecond); due.Before(late) {
			due = late
		}
		due = due.Add(gap)
		before := time.Now()
		if before.UnixMilli() >= end {
			return r
		}
		r.Asked++
		_, err := b.Execute(func() (int, error) {
			now := time.Now().UnixMicro()
			if now < failFrom*1000 {
				r.Healthy++
			}
			if now < failFrom*1000 || rand.Float64() >= failShare {
				return 1, nil
			}
			r.Failed = append(r.Failed, float64(now)/1000-float64(failFrom))
			return 0, errDependency
		})
		r.Us = append(r.Us, float64(time.Since(before).Nanoseconds())/1000)
		if err != nil && err != errDependency && err != gobreaker.ErrOpenState {
			r.Errors++
		}
	}
}

func main() {
	settings := gobreaker.Settings{Name: os.Args[3]}
	rate, _ := strconv.ParseFloat(os.Args[4], 64)
	var b breaker = gobreaker.NewCircuitBreaker[int](settings)
	if os.Args[1] == "gobreaker-redis" {
		store := gobreaker.NewRedisStore(os.Args[2])
		for {
			shared, err := gobreaker.NewDistributedCircuitBreaker[int](store, settings)
			if err == nil {
				b = shared
				break
			}
			// With many processes starting at once its lock is not to be had in its five seconds.
			fmt.Fprintln(os.Stderr, err)
		}
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var begin, failFrom, end int64
		var failShare float64
		fmt.Sscan(in.Text(), &begin, &failFrom, &end, &failShare)
		out, _ := json.Marshal(phase(b, rate, begin, failFrom, end, failShare))
		fmt.Println(string(out))
	}
}
