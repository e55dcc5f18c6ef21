package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
)

// A lost attempt may have been carried out at any time from its call on, or never. Left at that,
// each would double what the search has to try from there to the end of the history. But answers
// show the whole record, so most lost attempts either left a trace, and then happened before it
// was first seen, or left none, and then may as well come after everything else.
//
// This can only make the checker stricter: to leave an attempt out is to let it happen last, and to
// end it earlier is to allow fewer orders. So an accepted history is linearizable, whatever is
// wrong here; and a mistake here shows as a correct store refused.

const never = math.MaxInt64

// call is an attempt with what the checker decided about it.
type call struct {
	input
	end int64
}

// traces is what the answers of one circuit showed, with the time of the earliest answer to do so.
type traces struct {
	swaps   map[string]int64
	leases  map[string]map[int64]int64 // by claimant and expiry
	settled map[string]int64           // by owner
	reports map[string]int64
	told    map[lease]bool // those of which it is known by which lost attempt
}

type lease struct {
	claimant string
	expiry   int64
}

// claimant is by whom, and for what, a slot is held: the same owner's lease before and after its
// call began are two.
func (place slot) claimant() string {
	if place.started == 0 {
		return place.owner
	}
	return fmt.Sprintf("%s!%d", place.owner, place.started)
}

func (a *attempt) claimant() string {
	if !a.Starts {
		return a.Owner
	}
	return slot{owner: a.Owner, started: a.Epoch}.claimant()
}

func earliest[K comparable](seen map[K]int64, key K, at int64) {
	if old, ok := seen[key]; !ok || at < old {
		seen[key] = at
	}
}

func first[K comparable](seen map[K]int64, key K) int64 {
	if at, ok := seen[key]; ok {
		return at
	}
	return never
}

func tracesOf(history []*attempt) traces {
	t := traces{map[string]int64{}, map[string]map[int64]int64{}, map[string]int64{},
		map[string]int64{}, map[lease]bool{}}
	for _, a := range history {
		if a.lost() || !a.shown.exists {
			continue
		}
		earliest(t.swaps, a.shown.Swap, *a.Return)
		for _, report := range strings.Fields(a.shown.reports) {
			earliest(t.reports, report, *a.Return)
		}
		for _, place := range a.shown.slots {
			switch {
			case place.owner == "":
			case place.expiry == settled:
				earliest(t.settled, place.owner, *a.Return)
			default:
				by := place.claimant()
				if t.leases[by] == nil {
					t.leases[by] = map[int64]int64{}
				}
				earliest(t.leases[by], place.expiry, *a.Return)
			}
		}
	}
	return t
}

// In order, so that a history is judged the same way each time.
func sortedKeys[K cmp.Ordered, V any](of map[K]V) []K {
	return slices.Sorted(maps.Keys(of))
}

// leaseTimes are the expiries that were seen of an owner's leases, in order.
func (t traces) leaseTimes(owner string) []int64 { return sortedKeys(t.leases[owner]) }

// resolve turns the attempts of one circuit into what is to be ordered.
func resolve(history []*attempt) []call {
	sort.SliceStable(history, func(i, j int) bool { return history[i].Call < history[j].Call })
	t := tracesOf(history)
	var calls []call
	lostClaims := map[string][]*attempt{}
	lostSettles := map[int][]*attempt{}
	traceless := map[string][]*attempt{} // lost claims by owner
	lostSwaps := map[string][]*attempt{}
	answers := map[int]int64{}         // of an operation, the earliest
	granted := map[string][]*attempt{} // by claimant
	lostReports := map[string][]*attempt{}
	taken := map[string]bool{} // reports of which an answer said that it was new
	for _, a := range history {
		if !a.lost() {
			calls = append(calls, call{input{attempt: a, now: a.TimeMs}, *a.Return})
			earliest(answers, a.Operation, *a.Return)
			taken[a.Report] = taken[a.Report] || a.Status == "ok"
			if a.Owner != "" && a.Kind != "settle" && a.Status == "ok" {
				by := a.shown.slots[a.Slot].claimant()
				granted[by] = append(granted[by], a)
			}
			continue
		}
		switch a.Kind {
		case "claim":
			lostClaims[a.claimant()] = append(lostClaims[a.claimant()], a)
		case "settle":
			lostSettles[a.Operation] = append(lostSettles[a.Operation], a)
		case "report":
			lostReports[a.Report] = append(lostReports[a.Report], a)
		case "swap":
			lostSwaps[a.Next.Swap] = append(lostSwaps[a.Next.Swap], a)
		}
	}
	for _, report := range sortedKeys(lostReports) {
		// It is added once. If it was by an attempt with an answer, the lost ones changed nothing.
		seen, lost := first(t.reports, report), lostReports[report][0]
		if seen != never && !taken[report] && lost.Call <= seen {
			calls = append(calls, call{input{attempt: lost, now: unseen}, seen})
		}
	}
	for _, swap := range sortedKeys(lostSwaps) {
		lost := lostSwaps[swap]
		if kept := t.lostSwap(swap, lost); kept != nil {
			calls = append(calls, *kept)
			if owner := kept.Owner; owner != "" {
				granted[owner] = append(granted[owner], kept.attempt)
			}
		}
	}
	for _, by := range slices.Backward(sortedKeys(lostClaims)) { // what a call begins with first
		kept, rest := t.lostClaims(by, lostClaims[by], granted[by])
		calls = append(calls, kept...)
		if lostClaims[by][0].Starts {
			calls = append(calls, starts(rest, history)...)
			continue
		}
		// A renewal keeps the mark of its call.
		for _, marked := range sortedKeys(t.leases) {
			if strings.HasPrefix(marked, by+"!") {
				kept, rest = t.lostClaims(marked, rest, granted[marked])
				calls = append(calls, kept...)
			}
		}
		traceless[by] = rest
	}
	// What was settled had been granted: by a claim without a trace, if no other is known. Right before
	// the settlement it does no harm, so it must have come by then.
	for _, settle := range calls {
		rest := traceless[settle.Owner]
		if len(granted[settle.Owner]) > 0 {
			continue
		}
		if settle.Kind == "settle" && settle.Status != "gone" && len(rest) > 0 &&
			rest[0].Call <= settle.Call {
			calls = append(calls, call{input{attempt: rest[0], now: unseen}, settle.end})
			traceless[settle.Owner] = rest[1:]
		}
	}
	for _, operation := range sortedKeys(lostSettles) {
		lost := lostSettles[operation]
		owner := lost[0].Owner
		var before *attempt
		freed := first(t.settled, owner)
		counts := lost[0].Settlement != "returned"
		if rest := traceless[owner]; len(rest) > 0 && rest[0].Call <= lost[0].Call {
			switch {
			case freed != never && freed >= lost[0].Call:
				calls = append(calls, call{input{attempt: rest[0], now: unseen}, freed})
				traceless[owner] = rest[1:]
			case freed == never && counts:
				before, traceless[owner] = rest[0], rest[1:]
			}
		}
		calls = append(calls, t.lostSettles(lost, before, answers)...)
	}
	for _, owner := range sortedKeys(traceless) {
		calls = append(calls, t.twins(owner, traceless[owner], granted[owner])...)
	}
	sort.Slice(calls, func(i, j int) bool {
		return calls[i].Call < calls[j].Call ||
			(calls[i].Call == calls[j].Call && calls[i].line < calls[j].line)
	})
	return calls
}

// A swap is applied once at most, and its number then is in the record.
func (t traces) lostSwap(swap string, lost []*attempt) *call {
	seen := first(t.swaps, swap)
	if seen == never || lost[0].Call > seen {
		return nil
	}
	now := int64(unseen)
	if times := t.leaseTimes(lost[0].Owner); lost[0].Owner != "" && len(times) > 0 {
		now = times[0] - lost[0].LeaseMs
	}
	return &call{input{attempt: lost[0], now: now}, seen}
}

// explained is the end of the grant that may have left a trace; never if there is none.
func (t traces) explained(owner string, expiry int64, granted []*attempt) int64 {
	seen := t.leases[owner][expiry]
	for _, by := range granted {
		switch {
		case by.Call > seen:
		case by.lost():
			if expiry == t.leaseTimes(owner)[0] { // a swap's claim is the owner's first
				return seen
			}
		case by.shown.slots[by.Slot].expiry == expiry:
			return max(seen, *by.Return)
		}
	}
	return never
}

// Each lease that was seen and that no grant explains tells when a lost claim was carried out, and
// that it came before it was seen. Also returns the claims that left no trace of their own.
func (t traces) lostClaims(owner string, lost, granted []*attempt) ([]call, []*attempt) {
	var calls []call
	for _, expiry := range t.leaseTimes(owner) {
		seen := t.leases[owner][expiry]
		if len(lost) > 0 && lost[0].Call <= seen && !t.told[lease{owner, expiry}] &&
			t.explained(owner, expiry, granted) == never {
			calls = append(calls, call{input{attempt: lost[0], now: expiry - lost[0].LeaseMs}, seen})
			lost = lost[1:]
			t.told[lease{owner, expiry}] = true
		}
	}
	return calls, lost
}

// A lost renewal that says that a call begins, and that nobody saw: it shows in that whoever takes
// the slot over counts a failed probe. Once its owner is out of the slot it has no effect.
func starts(lost, history []*attempt) []call {
	var calls []call
	for _, each := range lost {
		end := int64(never)
		for _, a := range history {
			if a.lost() || a.Call < each.Call {
				continue // it may show what was before its owner had the slot
			}
			place := a.shown.slots[each.Slot]
			if place.owner != each.Owner || place.expiry == settled {
				end = min(end, *a.Return)
			}
		}
		if end != never {
			calls = append(calls, call{input{attempt: each, now: unseen}, end})
		}
	}
	return calls
}

// Within the same millisecond a lost attempt and its repetition leave the same trace; and so they do
// where a renewal shortens no lease.
func (t traces) twins(owner string, lost, granted []*attempt) []call {
	var calls []call
	for _, expiry := range t.leaseTimes(owner) {
		end := t.explained(owner, expiry, granted)
		if len(lost) > 0 && lost[0].Call <= t.leases[owner][expiry] && end != never {
			calls = append(calls, call{input{attempt: lost[0], now: expiry - lost[0].LeaseMs}, end})
			lost = lost[1:]
		}
	}
	return calls
}

// One settlement of an operation has an effect at most. `before` is a claim that may have made it
// possible, if that was lost too: then a count may be all that there is to see.
func (t traces) lostSettles(lost []*attempt, before *attempt, answers map[int]int64) []call {
	owner := lost[0].Owner
	end := first(t.settled, owner)
	if end < lost[0].Call {
		return nil
	}
	if end == never && before == nil {
		end = max(first(answers, lost[0].Operation), lost[0].Call)
	}
	return []call{{input{attempt: lost[0], now: unseen, before: before}, end}}
}
