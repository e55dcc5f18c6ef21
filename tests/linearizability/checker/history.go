package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// slotsMax is how many slots of a record the model knows. A history must not use others.
const slotsMax = 4

// Of a slot's expiry in a state: settled, and of a lease that no answer ever showed.
const (
	settled = 0
	unseen  = -1
)

// attempt is one sending of one operation: a line of the history.
type attempt struct {
	line        int
	Client      int    `json:"client"`
	Operation   int    `json:"operation"`
	Attempt     int    `json:"attempt"`
	Circuit     string `json:"circuit"`
	Kind        string `json:"kind"` // read, report, claim, settle, swap
	Call        int64  `json:"call_ns"`
	Epoch       int64  `json:"epoch"`    // of a swap: the expected one
	Revision    int64  `json:"revision"` // of a swap: the expected one
	Slot        int    `json:"slot"`
	Owner       string `json:"owner"` // holder and token; of a swap "" without a claim
	Seen        string `json:"seen"`  // of a claim: whom it has seen in the slot, "" nobody
	LeaseMs     int64  `json:"lease_ms"`
	Starts      bool   `json:"starts"` // of a claim
	Settlement  string `json:"settlement"`
	Report      string `json:"report"`
	Next        *next  `json:"next"`
	NotBeforeMs *int64 `json:"not_before_ms"`

	UnlessProbeFailed bool `json:"unless_probe_failed"`

	// By the wall clock of the machine that recorded it, on which the server runs too.
	CallWallMs   int64 `json:"call_wall_ms"`
	ReturnWallMs int64 `json:"return_wall_ms"`

	Return *int64          `json:"return_ns"` // nil: lost
	Status string          `json:"status"`
	TimeMs int64           `json:"time_ms"`
	Record json.RawMessage `json:"record"`

	shown state  // the record of the answer
	dated *dated // of a store that tells the time by the Date of its answers
}

// next is what a swap writes.
type next struct {
	Epoch    int64  `json:"epoch"`
	Revision int64  `json:"revision"`
	Swap     string `json:"swap"`
	State    string `json:"state"`
	Why      string `json:"why"`
}

func (a *attempt) lost() bool { return a.Return == nil }

// record is one as answers show it.
type record struct {
	Unreadable  string `json:"unreadable"`
	Epoch       int64  `json:"epoch"`
	Revision    int64  `json:"revision"`
	Swap        string `json:"swap"`
	State       string `json:"state"`
	Why         string `json:"why"`
	ProbeOk     int    `json:"probe_ok"`
	ProbeFailed int    `json:"probe_failed"`
	Reports     []string
	Slots       map[string]struct {
		Owner     string `json:"owner"`
		ExpiresMs int64  `json:"expires_ms"`
		Started   int64  `json:"started"`
	} `json:"slots"`
}

func (a *attempt) readRecord() error {
	if len(a.Record) == 0 || string(a.Record) == "null" {
		return nil
	}
	var shown record
	if err := json.Unmarshal(a.Record, &shown); err != nil {
		return err
	}
	if shown.Unreadable != "" {
		return fmt.Errorf("the record is unreadable: %s", shown.Unreadable)
	}
	a.shown = state{exists: true, next: next{Epoch: shown.Epoch, Revision: shown.Revision,
		Swap: shown.Swap, State: shown.State, Why: shown.Why},
		probeOk: shown.ProbeOk, probeFailed: shown.ProbeFailed,
		reports: strings.Join(shown.Reports, " ")}
	for name, each := range shown.Slots {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= slotsMax {
			return fmt.Errorf("slot %q is beyond the %d that the model knows", name, slotsMax)
		}
		a.shown.slots[i] = slot{owner: each.Owner, expiry: each.ExpiresMs,
			started: each.Started}
	}
	return nil
}

func (a *attempt) check() error {
	switch a.Kind {
	case "read", "claim", "settle":
	case "report":
		if a.Report == "" {
			return fmt.Errorf("a report of nothing")
		}
	case "swap":
		if a.Next == nil {
			return fmt.Errorf("a swap to nothing")
		}
	default:
		return fmt.Errorf("kind %q is none that the model knows", a.Kind)
	}
	if a.Slot < 0 || a.Slot >= slotsMax {
		return fmt.Errorf("slot %d is beyond the %d that the model knows", a.Slot, slotsMax)
	}
	if a.Circuit == "" || a.Status == "" || (!a.lost() && *a.Return < a.Call) {
		return fmt.Errorf("no attempt of an operation")
	}
	return nil
}

// readHistory reads JSON lines as record_history writes them.
func readHistory(from io.Reader) ([]*attempt, error) {
	var history []*attempt
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		a := &attempt{line: len(history) + 1}
		err := json.Unmarshal(lines.Bytes(), a)
		if err == nil {
			err = a.check()
		}
		if err == nil {
			err = a.readRecord()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", a.line, err)
		}
		history = append(history, a)
	}
	return history, lines.Err()
}
