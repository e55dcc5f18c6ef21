package main

import (
	"strings"
	"testing"
	"time"
)

// Times by the wall clock go with each attempt: all of them between these two.
func at(from, to, line string) string {
	return strings.Replace(line, `"circuit"`,
		`"call_wall_ms":`+from+`,"return_wall_ms":`+to+`,"circuit"`, 1)
}

func judged(t *testing.T, how options, lines []string) verdict {
	t.Helper()
	history, err := readHistory(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	how.limit = time.Minute
	got, err := check(history, how)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestATimeThatIsKnownByDate(t *testing.T) {
	a, next := held("a", "2700"), held("b", "5200")
	made := at("1500", "1510", create)
	claimed := at("2000", "2010", claim("2", "a", answered("3", "4", "ok", "1900", shows(a, "0"))))
	take := claimFrom("a", "3", "b", answered("5", "6", "ok", "2700", shows(next, "0")))
	wait := claimFrom("a", "3", "b", answered("5", "6", "taken", "1900", shows(a, "0")))
	for _, each := range []struct {
		name, verdict string
		lines         []string
	}{
		{"a lease is by the latest that it can be", "linearizable", []string{made, claimed}},
		{"a lease is longer than by the latest", "refused", []string{made, at("2000", "2010",
			claim("2", "a", answered("3", "4", "ok", "1900", shows(held("a", "3200"), "0"))))}},
		{"a lease is shorter than was asked for", "refused", []string{made, at("2000", "2010",
			claim("2", "a", answered("3", "4", "ok", "1900", shows(held("a", "2090"), "0"))))}},
		{"a slot is taken once its lease has ended", "linearizable",
			[]string{made, claimed, at("4500", "4510", strings.Replace(take, "2700,", "4400,", 1))}},
		{"a slot is taken before its lease has ended", "refused",
			[]string{made, claimed, at("2600", "2610", strings.Replace(take, "2700,", "2600,", 1))}},
		{"a slot is refused to who cannot know that its lease has ended", "linearizable",
			[]string{made, claimed, at("2800", "2810", wait)}},
		{"a slot is refused to who must know it", "refused",
			[]string{made, claimed, at("3800", "3810", strings.Replace(wait, "1900,", "3700,", 1))}},
		{"an answer's time is ahead", "refused", []string{made, claimed,
			at("2100", "2110", read(answered("5", "6", "ok", "2200", shows(a, "0"))))}},
		{"an answer's time is far behind", "refused", []string{made, claimed,
			at("3100", "3110", read(answered("5", "6", "ok", "2000", shows(a, "0"))))}},
	} {
		t.Run(each.name, func(t *testing.T) {
			if got := judged(t, options{date: &dateClock{}}, each.lines); got.Verdict != each.verdict {
				t.Errorf("%s: %s", got.Verdict, got.Why)
			}
		})
	}
}

func TestReadsFromThePast(t *testing.T) {
	a := held("a", "1200")
	granted := claim("2", "a", answered("3", "4", "ok", "1100", shows(a, "0")))
	old := read(answered("5", "6", "ok", "1101", created))
	later := strings.NewReplacer(`"revision":1`, `"revision":2`, `"swap":"7"`, `"swap":"8"`)
	swapped := later.Replace(strings.NewReplacer(`"epoch":0,"revision":0`, `"epoch":5,"revision":9`,
		`"call_ns":1,"return_ns":2`, `"call_ns":5,"return_ns":6`).Replace(create))
	swapped = strings.Replace(swapped, `"revision":9`, `"revision":1`, 1)
	another := `"client":1,`
	for _, each := range []struct {
		name, verdict string
		eventual      bool
		lines         []string
	}{
		{"may be where reads are eventually consistent", "linearizable", true,
			[]string{create, granted, old}},
		{"may not be where they are not", "refused", false, []string{create, granted, old}},
		{"may not show what never was", "refused", true, []string{create, granted,
			read(answered("5", "6", "ok", "1101", shows(held("b", "1200"), "0")))}},
		{"are for reads alone", "refused", true, []string{create, granted,
			claim("3", "b", answered("5", "6", "ok", "1101", shows(held("b", "1201"), "0")))}},
		{"may show another client an older revision", "linearizable", true, []string{create, swapped,
			"{" + another + read(answered("7", "8", "ok", "1101", created))[1:]}},
		{"may not take a client back", "refused", true,
			[]string{create, swapped, read(answered("7", "8", "ok", "1101", created))}},
	} {
		t.Run(each.name, func(t *testing.T) {
			if got := judged(t, options{eventual: each.eventual}, each.lines); got.Verdict != each.verdict {
				t.Errorf("%s: %s", got.Verdict, got.Why)
			}
		})
	}
}

func report(operation, epoch, outcome string) string {
	return `{"operation":` + operation + `,"circuit":"c","kind":"report","epoch":` + epoch +
		`,"report":"r1",` + outcome
}

func TestReports(t *testing.T) {
	with := strings.Replace(created, `"slots"`, `"reports":["r1"],"slots"`, 1)
	added := report("2", "5", answered("3", "4", "ok", "1100", with))
	for _, each := range []struct {
		name, verdict string
		lines         []string
	}{
		{"a report is added", "linearizable", []string{create, added}},
		{"a report is added once", "linearizable", []string{create, added,
			report("2", "5", answered("5", "6", "duplicate", "1100", with))}},
		{"a report is new twice", "refused", []string{create, added,
			report("2", "5", answered("5", "6", "ok", "1100", with))}},
		{"a report of another epoch is late", "linearizable", []string{create,
			report("2", "4", answered("3", "4", "late", "1100", created))}},
		{"a report of another epoch is taken", "refused", []string{create,
			report("2", "4", answered("3", "4", "ok", "1100", with))}},
		{"a lost report was added", "linearizable", []string{create, report("2", "5", lost("3")),
			report("2", "5", answered("5", "6", "duplicate", "1100", with))}},
		{"a lost report was never added", "linearizable", []string{create,
			report("2", "5", lost("3")), report("2", "5", answered("5", "6", "ok", "1100", with))}},
		{"a report that was acknowledged is gone", "refused", []string{create, added,
			read(answered("5", "6", "ok", "1101", created))}},
	} {
		t.Run(each.name, func(t *testing.T) {
			if got := judged(t, options{}, each.lines); got.Verdict != each.verdict {
				t.Errorf("%s: %s", got.Verdict, got.Why)
			}
		})
	}
}
