// Time of a call without a breaker and under one: calls THREADS REPETITIONS SECONDS.
// Prints {"breaker": [nanoseconds per call, one for each repetition]}.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"
)

//go:noinline
func dependency() (int, error) { return 1, nil }

// Nanoseconds that each of the threads needs for a call, all calling at once.
func measure(threads int, seconds float64, call func() (int, error)) float64 {
	var wait sync.WaitGroup
	perCall := make([]float64, threads)
	for i := range threads {
		wait.Go(func() {
			begin, calls := time.Now(), 0
			for time.Since(begin).Seconds() < seconds {
				for range 100 {
					if _, err := call(); err != nil {
						panic(err)
					}
				}
				calls += 100
			}
			perCall[i] = float64(time.Since(begin).Nanoseconds()) / float64(calls)
		})
	}
	wait.Wait()
	sum := 0.0
	for _, ns := range perCall {
		sum += ns
	}
	return sum / float64(threads)
}

func main() {
	threads, _ := strconv.Atoi(os.Args[1])
	repetitions, _ := strconv.Atoi(os.Args[2])
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)

	sony := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{Name: "bench"})
	fail := failsafe.With(circuitbreaker.NewWithDefaults[int]())
	calls := []struct {
		name string
		call func() (int, error)
	}{
		{"bare", dependency},
		{"gobreaker", func() (int, error) { return sony.Execute(dependency) }},
		{"failsafe-go", func() (int, error) { return fail.Get(dependency) }},
	}
	samples := map[string][]float64{}
	for _, c := range calls {
		measure(threads, 0.2, c.call) // warms up
	}
	for range repetitions {
		for _, c := range calls {
			samples[c.name] = append(samples[c.name], measure(threads, seconds, c.call))
		}
	}
	out, _ := json.Marshal(samples)
	fmt.Println(string(out))
}
