package main

import (
	"strings"
	"testing"
	"time"
)

// A history is written as its lines. All is about circuit c and slot 0; times in small numbers.
const (
	created = `{"epoch":5,"revision":1,"swap":"7","state":"CLOSED","why":"w","probe_ok":0,` +
		`"probe_failed":0,"slots":{}}`
	create = `{"client":0,"operation":1,"circuit":"c","kind":"swap","call_ns":1,"return_ns":2,` +
		`"epoch":0,"revision":0,"next":{"epoch":5,"revision":1,"swap":"7","state":"CLOSED",` +
		`"why":"w"},"status":"ok","time_ms":1000,"record":` + created + `}`
)

// shows is the record of `created` with slot 0 and the settled successes as given.
func shows(slot0 string, probeOk string) string {
	text := strings.Replace(created, `"slots":{}`, `"slots":{"0":`+slot0+`}`, 1)
	return strings.Replace(text, `"probe_ok":0`, `"probe_ok":`+probeOk, 1)
}

func held(owner, expiry string) string {
	return `{"owner":"` + owner + `","expires_ms":` + expiry + `}`
}

// The same once the owner has said, in epoch 5, that its call begins.
func started(owner, expiry string) string {
	return strings.Replace(held(owner, expiry), "}", `,"started":5}`, 1)
}

func answered(call, end, status, time, record string) string {
	return `"call_ns":` + call + `,"return_ns":` + end + `,"status":"` + status + `","time_ms":` +
		time + `,"record":` + record + `}`
}

func lost(call string) string { return `"call_ns":` + call + `,"status":"unknown"}` }

func claim(operation, owner, outcome string) string {
	return claimFrom("", operation, owner, outcome)
}

// By somebody who has seen the slot in the hands of another.
func claimFrom(seen, operation, owner, outcome string) string {
	return `{"operation":` + operation + `,"circuit":"c","kind":"claim","epoch":5,"slot":0,` +
		`"owner":"` + owner + `","seen":"` + seen + `","lease_ms":100,` + outcome
}

// By the owner, as its call begins.
func starting(operation, owner, outcome string) string {
	return strings.Replace(claimFrom(owner, operation, owner, outcome), `"kind"`,
		`"starts":true,"kind"`, 1)
}

// shows with failed probes.
func showsFailed(slot0, probeFailed string) string {
	return strings.Replace(shows(slot0, "0"), `"probe_failed":0`, `"probe_failed":`+probeFailed, 1)
}

func settle(operation, owner, outcome string) string {
	return `{"operation":` + operation + `,"circuit":"c","kind":"settle","epoch":5,"slot":0,` +
		`"owner":"` + owner + `","settlement":"success",` + outcome
}

func read(outcome string) string {
	return `{"operation":99,"circuit":"c","kind":"read",` + outcome
}

func TestHistories(t *testing.T) {
	a, b := held("a", "1200"), held("b", "1200")
	for _, each := range []struct {
		name, verdict string
		lines         []string
	}{
		{"a claim of a free slot is granted", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0")))}},
		{"a slot is granted to one of two", "linearizable", []string{
			create, claim("2", "a", answered("3", "9", "ok", "1100", shows(a, "0"))),
			claim("3", "b", answered("4", "5", "taken", "1100", shows(a, "0")))}},
		{"a slot is granted to both of two", "refused", []string{
			create, claim("2", "a", answered("3", "9", "ok", "1100", shows(a, "0"))),
			claim("3", "b", answered("4", "5", "ok", "1100", shows(b, "0")))}},
		{"a slot is free when its lease has ended", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			claimFrom("a", "3", "b", answered("5", "6", "ok", "1200", shows(held("b", "1300"), "0")))}},
		{"a slot is taken from another than was seen in it", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			claim("3", "b", answered("5", "6", "ok", "1200", shows(held("b", "1300"), "0")))}},
		{"a slot is refused to one who saw another in it", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			claim("3", "b", answered("5", "6", "taken", "1200", shows(a, "0")))}},
		{"a slot is taken before its lease has ended", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			claimFrom("a", "3", "b", answered("5", "6", "ok", "1199", shows(held("b", "1299"), "0")))}},
		{"a lease is longer than was asked for", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(held("a", "1201"), "0")))}},
		{"a read sees what was before an operation that had ended", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			read(answered("5", "6", "ok", "1101", created))}},
		{"a read beside an operation sees what was before", "linearizable", []string{
			create, claim("2", "a", answered("3", "6", "ok", "1100", shows(a, "0"))),
			read(answered("4", "5", "ok", "1101", created))}},
		{"a repeated settlement is gone", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1"))),
			settle("3", "a", answered("7", "8", "gone", "1111", shows(held("a", "0"), "1")))}},
		{"a repeated settlement counts twice", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1"))),
			settle("3", "a", answered("7", "8", "ok", "1111", shows(held("a", "0"), "2")))}},
		{"a lost claim was carried out", "linearizable", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", shows(a, "0")))}},
		{"a lost claim was carried out late", "linearizable", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", created)),
			read(answered("7", "8", "ok", "1102", shows(a, "0")))}},
		{"a lost claim was never carried out", "linearizable", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", created))}},
		{"a lost claim was carried out before it was sent", "refused", []string{
			create, read(answered("3", "4", "ok", "1101", shows(a, "0"))),
			claim("2", "a", lost("5"))}},
		{"a lost claim went back", "refused", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", shows(a, "0"))),
			read(answered("7", "8", "ok", "1102", created))}},
		{"a lost claim and its repetition were both carried out", "linearizable", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", shows(a, "0"))),
			claim("2", "a", answered("7", "8", "ok", "1150", shows(held("a", "1250"), "0")))}},
		{"one lost claim had two effects", "refused", []string{
			create, claim("2", "a", lost("3")),
			read(answered("5", "6", "ok", "1101", shows(a, "0"))),
			read(answered("7", "8", "ok", "1151", shows(held("a", "1250"), "0")))}},
		{"a lost claim was settled before anybody saw it", "linearizable", []string{
			create, claim("2", "a", lost("3")),
			settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1")))}},
		{"a lost claim was seen and settled by answers that overtook one another", "linearizable",
			[]string{create, claim("2", "a", lost("3")),
				read(answered("5", "9", "ok", "1105", shows(a, "0"))),
				settle("3", "a", answered("6", "7", "ok", "1110", shows(held("a", "0"), "1")))}},
		{"a lost claim and its lost settlement are seen by the count alone", "linearizable", []string{
			create, claim("2", "a", lost("3")), settle("3", "a", lost("4")),
			claimFrom("a", "4", "b", answered("5", "6", "ok", "1110", shows(held("b", "1210"), "1")))}},
		{"a lost claim and its lost settlement never were", "linearizable", []string{
			create, claim("2", "a", lost("3")), settle("3", "a", lost("4")),
			claim("4", "b", answered("5", "6", "ok", "1110", shows(held("b", "1210"), "0")))}},
		{"a lost claim and its lost settlement count twice", "refused", []string{
			create, claim("2", "a", lost("3")), settle("3", "a", lost("4")),
			claimFrom("a", "4", "b", answered("5", "6", "ok", "1110", shows(held("b", "1210"), "2")))}},
		{"a lost claim took a slot back that another has had since", "refused",
			[]string{create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
				claimFrom("a", "3", "b",
					answered("5", "6", "ok", "1200", shows(held("b", "1300"), "0"))),
				claim("2", "a", lost("7")), settle("4", "a", lost("8")),
				read(answered("9", "10", "ok", "1400", shows(held("a", "0"), "1")))}},
		{"a lost claim, a lost swap and a settlement come before anybody looks", "linearizable",
			[]string{create, claim("2", "a", lost("3")),
				strings.Replace(strings.NewReplacer(`"epoch":0`, `"epoch":5`, `"revision":0`,
					`"revision":1`, `"epoch":5`, `"epoch":6`, `"swap":"7"`, `"swap":"8"`).Replace(
					create[:strings.Index(create, `"status"`)]), `"call_ns":1,"return_ns":2,`, "", 1) +
					lost("4"),
				settle("3", "a", answered("5", "6", "late", "1110", strings.NewReplacer(
					`"epoch":5`, `"epoch":6`, `"swap":"7"`, `"swap":"8"`).Replace(
					shows(held("a", "0"), "0"))))}},
		{"a claim comes again after its settlement", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1"))),
			claim("2", "a", answered("7", "8", "ok", "1300", shows(held("a", "1400"), "1")))}},
		{"a claim comes again after another, and that was lost", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1"))),
			claimFrom("a", "4", "b", lost("6")),
			claim("2", "a", answered("7", "8", "ok", "1300", shows(held("a", "1400"), "1")))}},
		{"a call begins, and whoever takes the slot over counts it", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", answered("5", "6", "ok", "1150", shows(started("a", "1250"), "0"))),
			claimFrom("a", "4", "b",
				answered("7", "8", "ok", "1250", showsFailed(held("b", "1350"), "1")))}},
		{"a call begins, and whoever takes the slot over counts nothing", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", answered("5", "6", "ok", "1150", shows(started("a", "1250"), "0"))),
			claimFrom("a", "4", "b", answered("7", "8", "ok", "1250", shows(held("b", "1350"), "0")))}},
		{"a slot without a call counts when it is taken over", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			claimFrom("a", "4", "b",
				answered("7", "8", "ok", "1200", showsFailed(held("b", "1300"), "1")))}},
		{"a claim that comes again keeps the mark of its call", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", answered("5", "6", "ok", "1150", shows(started("a", "1250"), "0"))),
			claim("2", "a", answered("7", "8", "ok", "1160", shows(started("a", "1260"), "0")))}},
		{"a call began without an answer, and is seen", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", lost("5")),
			read(answered("7", "8", "ok", "1160", shows(started("a", "1250"), "0")))}},
		{"a call began without an answer, and is seen by the count alone", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", lost("5")),
			claimFrom("a", "4", "b",
				answered("7", "8", "ok", "1350", showsFailed(held("b", "1450"), "1")))}},
		{"a call that perhaps began never did", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", lost("5")),
			claimFrom("a", "4", "b", answered("7", "8", "ok", "1350", shows(held("b", "1450"), "0")))}},
		{"a call began and was settled: nothing is left to count", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			starting("3", "a", answered("5", "6", "ok", "1150", shows(started("a", "1250"), "0"))),
			settle("4", "a", answered("7", "8", "ok", "1160", shows(held("a", "0"), "1"))),
			claimFrom("a", "5", "b", answered("9", "10", "ok", "1350", shows(held("b", "1450"), "1")))}},
		{"what nobody claimed was settled", "refused", []string{
			create, settle("3", "a", answered("5", "6", "ok", "1110", shows(held("a", "0"), "1")))}},
		{"a lost settlement and its repetition counted once", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", lost("5")),
			settle("3", "a", answered("7", "8", "gone", "1110", shows(held("a", "0"), "1")))}},
		{"a lost settlement and its repetition counted twice", "refused", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", lost("5")),
			settle("3", "a", answered("7", "8", "ok", "1110", shows(held("a", "0"), "2")))}},
		{"a lost settlement made way for a claim before anybody saw it", "linearizable", []string{
			create, claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0"))),
			settle("3", "a", lost("5")),
			claimFrom("a", "4", "b", answered("6", "7", "ok", "1110", shows(held("b", "1210"), "1")))}},
		{"a record is created over another", "refused", []string{
			create, strings.ReplaceAll(strings.Replace(create, `"call_ns":1,"return_ns":2`,
				`"call_ns":3,"return_ns":4`, 1), `"swap":"7"`, `"swap":"8"`)}},
		{"a swap is repeated", "linearizable", []string{
			create, strings.Replace(create, `"call_ns":1,"return_ns":2`,
				`"call_ns":3,"return_ns":4`, 1)}},
		{"an acknowledged record is gone", "refused", []string{
			create, read(answered("3", "4", "ok", "1100", "null"))}},
	} {
		t.Run(each.name, func(t *testing.T) {
			history, err := readHistory(strings.NewReader(strings.Join(each.lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			got, err := check(history, options{limit: 10 * time.Second})
			if err != nil || got.Verdict != each.verdict {
				t.Errorf("%+v, %v; want %s", got, err, each.verdict)
			}
			if got.Verdict == "refused" && !strings.Contains(got.Why, "the model") {
				t.Errorf("a refusal without a reason: %q", got.Why)
			}
		})
	}
}

func TestBadHistoriesAreNoHistories(t *testing.T) {
	for _, bad := range []string{
		`{`,
		`{}`,
		`{"circuit":"c","status":"ok","kind":"dance"}`,
		`{"circuit":"c","status":"ok","kind":"swap"}`,
		`{"circuit":"c","status":"ok","kind":"claim","slot":31}`,
		`{"circuit":"c","status":"ok","kind":"read","call_ns":2,"return_ns":1}`,
		`{"circuit":"c","status":"ok","kind":"read","return_ns":1,"record":{"unreadable":"v"}}`,
		`{"circuit":"c","status":"ok","kind":"read","return_ns":1,"record":{"slots":{"9":{}}}}`,
	} {
		if _, err := readHistory(strings.NewReader(bad)); err == nil {
			t.Errorf("accepted as a history: %s", bad)
		}
	}
}
