package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// What DynamoDB is allowed that a Redis server is not: its time is known by the Date of its answers,
// and reads may be old.

// interval is in milliseconds of the wall clock.
type interval struct{ from, to int64 }

// dated is what the store's client may have taken the time to be during an attempt: it reckons with
// the earliest that it can be where something is to be over, with the latest where it begins a lease.
type dated struct{ atLeast, atMost interval }

// Two clocks that run 500 ppm apart part by this much in two seconds; and times are rounded.
const driftMs = 3

// dateClock is a server whose clock is that of the machine which recorded the history, and whose
// Date is cut to the second.
type dateClock struct {
	lag int64 // by which the Date may be behind, in ms
}

func (c dateClock) date(history []*attempt) {
	longest := int64(0)
	for _, a := range history {
		if !a.lost() {
			longest = max(longest, a.ReturnWallMs-a.CallWallMs)
		}
	}
	const second = 1000
	for _, a := range history {
		if a.lost() {
			continue
		}
		a.dated = &dated{
			// Never ahead of the server, and never behind by more than the cut and the lag: an
			// answer or more came within the time that the bound has held.
			atLeast: interval{a.CallWallMs - second - c.lag - longest - driftMs, a.ReturnWallMs + driftMs},
			// Never behind but by the lag; ahead by the cut and by the way of the answer.
			atMost: interval{a.CallWallMs - c.lag - driftMs, a.ReturnWallMs + second + longest + driftMs},
		}
	}
}

// tellsTheTime tells whether an answer's time can be what it may be taken for.
func (in input) tellsTheTime() bool {
	return in.dated == nil ||
		(in.dated.atLeast.from <= in.TimeMs && in.TimeMs <= in.dated.atLeast.to)
}

// letReadsBeOld lets a read come anywhere before its answer, but not before the swap whose record it
// shows was called: earlier there was no such record anyhow, and to say so saves most of the search.
func letReadsBeOld(all []porcupine.Operation) {
	made := map[string]int64{}
	for _, op := range all {
		if in := op.Input.(input); in.Kind == "swap" {
			if at, ok := made[in.Next.Swap]; !ok || op.Call < at {
				made[in.Next.Swap] = op.Call
			}
		}
	}
	for i, op := range all {
		if in := op.Input.(input); in.Kind == "read" {
			all[i].Call = min(op.Call, made[in.shown.Swap])
		}
	}
}

// goesBack names a client that was shown an epoch, or a revision of the same, below one that it had
// been shown before: of old answers a client of the store believes none that is older than what it
// knows.
func goesBack(history []*attempt) string {
	type circuit struct {
		client int
		name   string
	}
	seen := map[circuit]*attempt{}
	for _, a := range history {
		if a.lost() {
			continue
		}
		of := circuit{a.Client, a.Circuit}
		if before := seen[of]; before != nil && (a.shown.Epoch < before.shown.Epoch ||
			(a.shown.Epoch == before.shown.Epoch && a.shown.Revision < before.shown.Revision)) {
			return fmt.Sprintf("client %d was taken back: %s\n  after %s", a.Client,
				input{attempt: a}, input{attempt: before})
		}
		seen[of] = a
	}
	return ""
}
