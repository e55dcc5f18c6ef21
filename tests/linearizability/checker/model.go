package main

import (
	"fmt"
	"slices"
	"strings"
)

// slot is a place in a record. No owner: never taken. An owner stays after settlement.
type slot struct {
	owner  string
	expiry int64 // store time in ms, settled or unseen
	// The epoch in which its owner said that the call begins, 0 if not.
	started int64
}

// state is one circuit's record as far as these operations know it. Values compare with ==.
type state struct {
	exists bool
	next
	probeOk, probeFailed int
	slots                [slotsMax]slot
	reports              string // of this epoch, sorted, with spaces between
}

// input is what the store was asked, and when by its own clock. The clock is part of the input: it
// comes from the answer, or, for a lost attempt, from the expiry of the lease that it left.
type input struct {
	*attempt
	now int64 // unseen: not known; then whatever time can permit is permitted
	// Of a settlement: the owner's claim, lost without a trace of its own, that may have come right
	// before it and have made it possible.
	before *attempt
}

// The sequential specification: what a store does that carries out one operation after the other.
// It restates the comments of src/fleet/store_ops.h, not the scripts.
func (in input) apply(s state) (string, state) {
	switch in.Kind {
	case "claim":
		return in.claim(s)
	case "settle":
		return in.settle(s)
	case "swap":
		return in.swap(s)
	case "report":
		return in.report(s)
	}
	return "ok", s
}

// free tells whether a slot may be taken now.
func (in input) free(place slot) bool {
	return place.owner == "" || place.expiry == settled || place.expiry == unseen ||
		in.passed(place.expiry, "taken")
}

// passed tells whether the store takes this time to have come. At an unknown time it always may
// have. Where the store's time is known only roughly, the answer tells: `refusal` says that it had
// not.
func (in input) passed(at int64, refusal string) bool {
	switch {
	case in.now == unseen:
		return true
	case in.dated == nil || in.lost():
		return at <= in.now
	case at <= in.dated.atLeast.from:
		return true
	}
	return at <= in.dated.atLeast.to && in.Status != refusal
}

// leased is the slot once it is taken; or its lease is renewed, which had this expiry.
func (in input) leased(expiry int64) slot {
	switch {
	case in.now == unseen:
		expiry = unseen
	case in.dated == nil || in.lost():
		expiry = in.now + in.LeaseMs
	default:
		// As the answer shows it, if that can be. A renewal never shortens a lease.
		earliest := max(expiry, in.dated.atMost.from+in.LeaseMs)
		latest := max(expiry, in.dated.atMost.to+in.LeaseMs)
		expiry = min(max(in.shown.slots[in.Slot].expiry, earliest), latest)
	}
	return slot{owner: in.Owner, expiry: expiry}
}

func (in input) report(s state) (string, state) {
	known := strings.Fields(s.reports)
	at, found := slices.BinarySearch(known, in.Report)
	switch {
	case !s.exists || s.Epoch != in.Epoch:
		return "late", s
	case found:
		return "duplicate", s
	}
	s.reports = strings.Join(slices.Insert(known, at, in.Report), " ")
	return "ok", s
}

func (in input) claim(s state) (string, state) {
	place := &s.slots[in.Slot]
	started, expiry := int64(0), int64(0)
	switch {
	case !s.exists || s.Epoch != in.Epoch:
		return "late", s
	case place.owner == in.Owner:
		if place.expiry == settled {
			return "taken", s
		}
		started, expiry = place.started, place.expiry
	case place.owner != in.Seen || !in.free(*place):
		return "taken", s
	case place.started == s.Epoch:
		s.probeFailed++ // its call began, and nothing was heard of it
	}
	if in.Starts {
		started = s.Epoch
	}
	*place = in.leased(expiry)
	place.started = started
	return "ok", s
}

func (in input) settle(s state) (string, state) {
	place := &s.slots[in.Slot]
	if in.before != nil && place.owner != in.Owner {
		claim := input{attempt: in.before, now: in.now}
		if status, after := claim.claim(s); status == "ok" {
			return input{attempt: in.attempt, now: in.now}.settle(after)
		}
	}
	if !s.exists || place.owner != in.Owner || place.expiry == settled {
		return "gone", s
	}
	place.expiry, place.started = settled, 0
	if s.Epoch != in.Epoch {
		return "late", s
	}
	switch in.Settlement {
	case "success":
		s.probeOk++
	case "failure":
		s.probeFailed++
	}
	return "ok", s
}

func (in input) swap(s state) (string, state) {
	if s.exists && s.Epoch == in.Next.Epoch && s.Revision == in.Next.Revision &&
		s.Swap == in.Next.Swap {
		return "ok", s // this very swap, repeated
	}
	creates := in.Epoch == 0 && in.Revision == 0
	if creates == s.exists || (s.exists && (s.Epoch != in.Epoch || s.Revision != in.Revision)) {
		return "conflict", s
	}
	if in.UnlessProbeFailed && s.probeFailed > 0 {
		return "conflict", s
	}
	if in.NotBeforeMs != nil && !in.passed(*in.NotBeforeMs, "not_due") {
		return "not_due", s
	}
	if in.Owner != "" && !in.free(s.slots[in.Slot]) {
		return "taken", s
	}
	if s.Epoch != in.Next.Epoch {
		s.probeOk, s.probeFailed, s.reports = 0, 0, ""
	}
	s.exists, s.next = true, *in.Next
	if in.Owner != "" {
		s.slots[in.Slot] = in.leased(0)
	}
	return "ok", s
}

// step is Porcupine's question: may this operation, with this answer, come next? A lost attempt
// had no answer, so nothing contradicts it.
func step(s state, in input) (bool, state) {
	status, after := in.apply(s)
	if in.lost() {
		return true, after
	}
	if !in.tellsTheTime() {
		return false, s
	}
	return status == in.Status && after == in.shown, after
}

// ---- For a person ---------------------------------------------------------------------------

func (s state) String() string {
	if !s.exists {
		return "no record"
	}
	text := fmt.Sprintf("epoch %d revision %d swap %s %s probes %d ok %d failed", s.Epoch,
		s.Revision, s.Swap, s.State, s.probeOk, s.probeFailed)
	for i, place := range s.slots {
		if place.owner != "" {
			text += fmt.Sprintf(", s%d %s", i, place)
		}
	}
	if s.reports != "" {
		text += ", reports " + s.reports
	}
	return text
}

func (place slot) String() string {
	switch place.expiry {
	case settled:
		return place.owner + " settled"
	case unseen:
		return place.claimant() + " until a time that nobody saw"
	}
	return fmt.Sprintf("%s until %d", place.claimant(), place.expiry)
}

func (in input) String() string {
	text := fmt.Sprintf("line %d: %s", in.line, in.Kind)
	switch in.Kind {
	case "claim":
		text += fmt.Sprintf(" s%d by %s, seen with %q, for %d ms in epoch %d", in.Slot, in.Owner,
			in.Seen, in.LeaseMs, in.Epoch)
		if in.Starts {
			text += ", starts"
		}
	case "report":
		text += fmt.Sprintf(" %s in epoch %d", in.Report, in.Epoch)
	case "settle":
		text += fmt.Sprintf(" s%d by %s, %s, in epoch %d", in.Slot, in.Owner, in.Settlement,
			in.Epoch)
	case "swap":
		text += fmt.Sprintf(" epoch %d revision %d to epoch %d revision %d swap %s", in.Epoch,
			in.Revision, in.Next.Epoch, in.Next.Revision, in.Next.Swap)
		if in.NotBeforeMs != nil {
			text += fmt.Sprintf(" not before %d", *in.NotBeforeMs)
		}
		if in.Owner != "" {
			text += fmt.Sprintf(" with s%d for %s", in.Slot, in.Owner)
		}
	}
	if in.lost() {
		return text + " -> lost"
	}
	return fmt.Sprintf("%s -> %s at %d: %s", text, in.Status, in.TimeMs, in.shown)
}
