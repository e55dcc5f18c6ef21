package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) {
			ok, after := step(s.(state), in.(input))
			return ok, after
		},
		DescribeOperation: func(in, _ any) string { return in.(input).String() },
		DescribeState:     func(s any) string { return s.(state).String() },
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[string][]porcupine.Operation{}
			for _, op := range history {
				circuit := op.Input.(input).Circuit
				by[circuit] = append(by[circuit], op)
			}
			var parts [][]porcupine.Operation
			for _, name := range sortedKeys(by) {
				parts = append(parts, by[name])
			}
			return parts
		},
	}
}

// verdict is what the checker says of a history.
type verdict struct {
	Verdict  string  `json:"verdict"` // linearizable, refused, undecided
	Answered int     `json:"answered"`
	Lost     int     `json:"lost"`      // attempts that nobody answered
	LostKept int     `json:"lost_kept"` // of them, those that may have left a trace
	Circuits int     `json:"circuits"`
	Seconds  float64 `json:"seconds"`
	Why      string  `json:"why,omitempty"`
}

// operations of all circuits, as Porcupine takes them.
func operations(history []*attempt) []porcupine.Operation {
	by := map[string][]*attempt{}
	clients := 0
	for _, a := range history {
		by[a.Circuit] = append(by[a.Circuit], a)
		clients = max(clients, a.Client+1)
	}
	var all []porcupine.Operation
	for _, circuit := range sortedKeys(by) {
		for _, c := range resolve(by[circuit]) {
			client := c.Client
			if c.lost() { // may overlap with what the same client did next
				client = clients
				clients++
			}
			all = append(all, porcupine.Operation{ClientId: client, Input: c.input, Call: c.Call,
				Return: c.end})
		}
	}
	return all
}

// options say what store it is, and how far to go.
type options struct {
	limit    time.Duration
	html     string
	date     *dateClock // nil: each answer has the exact time
	eventual bool       // reads may be answered from the past
}

// check judges a history. A refused one is explained, and drawn into a file if one is named.
func check(history []*attempt, how options) (verdict, error) {
	limit, html := how.limit, how.html
	begin := time.Now()
	result := verdict{}
	circuits := map[string]bool{}
	for _, a := range history {
		circuits[a.Circuit] = true
		if a.lost() {
			result.Lost++
		} else {
			result.Answered++
		}
	}
	result.Circuits = len(circuits)
	if how.date != nil {
		how.date.date(history)
	}
	all := operations(history)
	if how.eventual {
		letReadsBeOld(all)
	}
	result.LostKept = len(all) - result.Answered
	m := model()
	outcome := porcupine.CheckOperationsTimeout(m, all, limit)
	result.Seconds = time.Since(begin).Seconds()
	switch outcome {
	case porcupine.Ok:
		result.Verdict = "linearizable"
		if how.eventual {
			if result.Why = goesBack(history); result.Why != "" {
				result.Verdict = "refused"
			}
		}
		return result, nil
	case porcupine.Unknown:
		result.Verdict = "undecided"
		result.Why = fmt.Sprintf("no verdict within %s; record a shorter history", limit)
		return result, nil
	}
	result.Verdict = "refused"
	_, info := porcupine.CheckOperationsVerbose(m, all, limit)
	result.Why = explain(all, info)
	if html != "" {
		return result, porcupine.VisualizePath(m, info, html)
	}
	return result, nil
}

// explain shows where the search got stuck: the longest order that the model follows, the state
// after it, and the operations that would have to come next.
func explain(all []porcupine.Operation, info porcupine.LinearizationInfo) string {
	parts := model().Partition(all)
	for p, found := range info.PartialLinearizationsOperations() {
		var longest []porcupine.Operation
		for _, order := range found {
			if len(order) > len(longest) {
				longest = order
			}
		}
		if len(longest) == len(parts[p]) {
			continue
		}
		placed := map[int]bool{}
		s := state{}
		for _, op := range longest {
			in := op.Input.(input)
			placed[in.line] = true
			_, s = step(s, in)
		}
		var stuck []string
		for _, op := range parts[p] {
			in := op.Input.(input)
			if placed[in.line] || in.lost() || len(stuck) == 3 {
				continue
			}
			status, after := in.apply(s)
			stuck = append(stuck, fmt.Sprintf("  %s\n    the model: %s: %s", in, status, after))
		}
		circuit := parts[p][0].Input.(input).Circuit
		return fmt.Sprintf("circuit %s: after %d of %d operations none can come next.\nstate: %s\n%s",
			circuit, len(longest), len(parts[p]), s, strings.Join(stuck, "\n"))
	}
	return "no part of the history is at fault"
}
