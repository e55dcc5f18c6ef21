// Checker judges histories of a store: is there an order of the operations, in keeping with when
// each was called and answered, in which a store that does one thing after the other would have
// given the same answers?
//
//	checker [-limit 30s] [-html FILE] [-date] [-date-lag 1s] [-eventual-reads] HISTORY...
//
// Prints a JSON object a history. Ends with 0 if all are linearizable, 1 if one is not, 2 for bad
// input, 3 if one could not be decided in time.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

func judge(path string, how options) (verdict, error) {
	file, err := os.Open(path)
	if err != nil {
		return verdict{}, err
	}
	defer file.Close()
	history, err := readHistory(file)
	if err != nil {
		return verdict{}, fmt.Errorf("%s: %w", path, err)
	}
	if len(history) == 0 {
		return verdict{}, fmt.Errorf("%s: an empty history proves nothing", path)
	}
	return check(history, how)
}

func main() {
	limit := flag.Duration("limit", 30*time.Second, "for each history")
	html := flag.String("html", "", "where to draw a refused history")
	byDate := flag.Bool("date", false, "the store's time is known by the Date of its answers only")
	lag := flag.Duration("date-lag", 0, "by how much that Date may be behind")
	eventual := flag.Bool("eventual-reads", false, "a read may be answered from the past")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "checker: name the files that record_history wrote")
		os.Exit(2)
	}
	codes := map[string]int{"linearizable": 0, "refused": 1, "undecided": 3}
	how := options{limit: *limit, html: *html, eventual: *eventual}
	if *byDate {
		how.date = &dateClock{lag: lag.Milliseconds()}
	}
	worst := 0
	for _, path := range flag.Args() {
		result, err := judge(path, how)
		if err != nil {
			fmt.Fprintln(os.Stderr, "checker:", err)
			os.Exit(2)
		}
		line, err := json.Marshal(result)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(line))
		worst = max(worst, codes[result.Verdict])
	}
	os.Exit(worst)
}
